/* Query text to tokens, one at a time. A lexer is a position in the text: copying it is how the parser
 * looks ahead. Tokens point into the text; escapes are decoded only when the parser takes a token. */
#ifndef ENGINE_PARSE_LEXER_H
#define ENGINE_PARSE_LEXER_H

#include "base/arena.h"
#include "base/text.h"

enum token_kind_lexed {
    LEX_END,
    LEX_INVALID,     /* `problem` says why */
    LEX_NAME,        /* name or keyword */
    LEX_QUOTED_NAME, /* `name` */
    LEX_PARAMETER,   /* $name, $`name`, $0 */
    LEX_INTEGER,
    LEX_FLOAT,
    LEX_STRING,
    LEX_DOT_DOT,
    LEX_LESS_EQUAL,
    LEX_GREATER_EQUAL,
    LEX_NOT_EQUAL,
    LEX_MATCHES,    /* =~ */
    LEX_PLUS_EQUAL, /* += */
    LEX_BAR_BAR,
    LEX_COLON_COLON,
    /* Every other symbol is its ASCII code. */
    LEX_SYMBOL_FIRST = 33,
};

struct token {
    uint8_t kind;         /* enum token_kind_lexed, or an ASCII code */
    uint32_t offset, end; /* of the query text, with quotes and sigils */
    const char *problem;  /* LEX_INVALID */
};

struct lexer {
    struct text query;
    uint32_t position;
};

struct token lexer_next(struct lexer *lexer);

/* The characters of a LEX_STRING, LEX_QUOTED_NAME or LEX_PARAMETER token, decoded into the arena.
 * Returns NULL, or what is wrong at *problem_offset. out->data is NULL when there is no memory. */
const char *token_decode(
    struct arena *arena,
    struct text query,
    struct token token,
    struct text *out,
    uint32_t *problem_offset);

/* Where the first byte is that is not UTF-8, or query.size. */
size_t text_utf8_invalid_offset(struct text text);

#endif
