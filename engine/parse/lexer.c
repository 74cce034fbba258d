/* The lexer.
 *
 * Cypher has almost no reserved words, so the lexer knows none: a keyword is a LEX_NAME whose letters
 * the parser compares. Two-character symbols are joined only where no pattern can need them apart:
 *
 *      joined    ..  <=  >=  <>  !=  =~  +=  ||  ::
 *      apart     <-  ->  --   because (a)<-[r]-(b) and a < -b share their characters
 *
 * The dashes and arrow heads of Unicode that openCypher 9 allows in patterns become '-', '<' and '>'.
 *
 * Invariants
 *  1. Every call moves the position forward, except at the end.
 *  2. The text is valid UTF-8 (parse() has checked) and smaller than 2^32 bytes. */
#include "engine/parse/lexer.h"

#include <utf8proc.h>

#include "base/assert.h"

static bool lexer_skip_space(struct lexer *lexer);
static struct token lexer_number(struct lexer *lexer);
static struct token lexer_string(struct lexer *lexer, unsigned char quote);
static struct token lexer_quoted_name(struct lexer *lexer, uint32_t offset, uint8_t kind);
static struct token lexer_parameter(struct lexer *lexer);
static struct token lexer_symbol(struct lexer *lexer);

static unsigned char
lexer_byte(const struct lexer *lexer, uint32_t ahead)
{
    size_t at = (size_t)lexer->position + ahead;
    return at < lexer->query.size ? (unsigned char)lexer->query.data[at] : 0;
}

/* The code point at the position and its size in bytes; 0 at the end. */
static uint32_t
lexer_code_point(const struct lexer *lexer, uint32_t *size)
{
    utf8proc_int32_t point = 0;
    size_t left = lexer->query.size - lexer->position;
    if (left == 0) {
        *size = 0;
        return 0;
    }
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)lexer->query.data + lexer->position;
    utf8proc_ssize_t got = utf8proc_iterate(at, (utf8proc_ssize_t)left, &point);
    assert(got > 0);
    *size = (uint32_t)got;
    return (uint32_t)point;
}

static bool
byte_is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool
byte_is_letter(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

static bool
point_is_name(uint32_t point, bool first)
{
    if (point < 128)
        return byte_is_letter((unsigned char)point) ||
               (!first && byte_is_digit((unsigned char)point));
    uint32_t letters = 1u << UTF8PROC_CATEGORY_LU | 1u << UTF8PROC_CATEGORY_LL |
                       1u << UTF8PROC_CATEGORY_LT | 1u << UTF8PROC_CATEGORY_LM |
                       1u << UTF8PROC_CATEGORY_LO | 1u << UTF8PROC_CATEGORY_NL |
                       1u << UTF8PROC_CATEGORY_PC;
    uint32_t parts = letters | 1u << UTF8PROC_CATEGORY_MN | 1u << UTF8PROC_CATEGORY_MC |
                     1u << UTF8PROC_CATEGORY_ND | 1u << UTF8PROC_CATEGORY_SC;
    uint32_t category = 1u << utf8proc_category((utf8proc_int32_t)point);
    return (category & (first ? letters : parts)) != 0;
}

static bool
point_is_space(uint32_t point)
{
    return point == ' ' || (point >= '\t' && point <= '\r') || (point >= 0x1c && point <= 0x1f) ||
           point == 0xa0 || point == 0x1680 || point == 0x180e ||
           (point >= 0x2000 && point <= 0x200a) || point == 0x2028 || point == 0x2029 ||
           point == 0x202f || point == 0x205f || point == 0x3000 || point == 0xfeff;
}

/* The ASCII symbol a Unicode dash or arrow head stands for; 0 for none. */
static uint8_t
point_symbol(uint32_t point)
{
    switch (point) {
    case 0x27e8:
    case 0x3008:
    case 0xfe64:
    case 0xff1c:
        return '<';
    case 0x27e9:
    case 0x3009:
    case 0xfe65:
    case 0xff1e:
        return '>';
    case 0xad:
    case 0x2010:
    case 0x2011:
    case 0x2012:
    case 0x2013:
    case 0x2014:
    case 0x2015:
    case 0x2212:
    case 0xfe58:
    case 0xfe63:
    case 0xff0d:
        return '-';
    default:
        return 0;
    }
}

static struct token
lexer_token(const struct lexer *lexer, uint8_t kind, uint32_t offset)
{
    return (struct token){.kind = kind, .offset = offset, .end = lexer->position};
}

static struct token
lexer_invalid(const struct lexer *lexer, uint32_t offset, const char *problem)
{
    return (struct token){
        .kind = LEX_INVALID, .offset = offset, .end = lexer->position, .problem = problem};
}

struct token
lexer_next(struct lexer *lexer)
{
    assert(lexer->position <= lexer->query.size);
    uint32_t comment = lexer->position;
    if (!lexer_skip_space(lexer)) {
        comment = lexer->position;
        lexer->position = (uint32_t)lexer->query.size;
        return lexer_invalid(lexer, comment, "the comment /* ... has no end");
    }
    uint32_t offset = lexer->position;
    unsigned char byte = lexer_byte(lexer, 0);
    if (offset == lexer->query.size)
        return lexer_token(lexer, LEX_END, offset);
    if (byte_is_digit(byte) || (byte == '.' && byte_is_digit(lexer_byte(lexer, 1))))
        return lexer_number(lexer);
    if (byte == '\'' || byte == '"')
        return lexer_string(lexer, byte);
    if (byte == '`')
        return lexer_quoted_name(lexer, offset, LEX_QUOTED_NAME);
    if (byte == '$')
        return lexer_parameter(lexer);
    uint32_t size;
    uint32_t point = lexer_code_point(lexer, &size);
    if (point_is_name(point, true)) {
        while (size > 0 && point_is_name(point, false)) {
            lexer->position += size;
            point = lexer_code_point(lexer, &size);
        }
        return lexer_token(lexer, LEX_NAME, offset);
    }
    return lexer_symbol(lexer);
}

/* False when a comment has no end; the position is then its beginning. */
static bool
lexer_skip_space(struct lexer *lexer)
{
    for (;;) {
        unsigned char byte = lexer_byte(lexer, 0);
        if (byte == '/' && lexer_byte(lexer, 1) == '/') {
            while (lexer->position < lexer->query.size && lexer_byte(lexer, 0) != '\n' &&
                   lexer_byte(lexer, 0) != '\r')
                lexer->position++;
            continue;
        }
        if (byte == '/' && lexer_byte(lexer, 1) == '*') {
            const char *from = lexer->query.data + lexer->position + 2;
            const char *end = memmem(from, lexer->query.size - lexer->position - 2, "*/", 2);
            if (!end)
                return false;
            lexer->position = (uint32_t)(end + 2 - lexer->query.data);
            continue;
        }
        uint32_t size;
        uint32_t point = lexer_code_point(lexer, &size);
        if (size == 0 || !point_is_space(point))
            return true;
        lexer->position += size;
    }
}

static bool
byte_is_digit_of(unsigned char byte, unsigned base)
{
    if (base == 16 && ((byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F')))
        return true;
    return byte >= '0' && byte < '0' + (base < 10 ? base : 10);
}

static uint32_t
lexer_skip_digits(struct lexer *lexer, unsigned base)
{
    uint32_t digit_count = 0;
    for (;;) {
        unsigned char byte = lexer_byte(lexer, 0);
        if (byte == '_' && digit_count > 0 && byte_is_digit_of(lexer_byte(lexer, 1), base)) {
            lexer->position++;
            continue;
        }
        if (!byte_is_digit_of(byte, base))
            return digit_count;
        lexer->position++;
        digit_count++;
    }
}

/* A number must not run into a name: 1a, 0x1G and 1.5e are mistakes, not two tokens. */
static struct token
lexer_number_end(struct lexer *lexer, uint8_t kind, uint32_t offset)
{
    uint32_t size;
    uint32_t point = lexer_code_point(lexer, &size);
    if (size == 0 || !point_is_name(point, false))
        return lexer_token(lexer, kind, offset);
    while (size > 0 && point_is_name(point, false)) {
        lexer->position += size;
        point = lexer_code_point(lexer, &size);
    }
    return lexer_invalid(lexer, offset, "this is not a number");
}

static struct token
lexer_number(struct lexer *lexer)
{
    uint32_t offset = lexer->position;
    unsigned char second = (unsigned char)(lexer_byte(lexer, 1) | 0x20);
    if (lexer_byte(lexer, 0) == '0' && (second == 'x' || second == 'o')) {
        lexer->position += 2;
        uint32_t digit_count = lexer_skip_digits(lexer, second == 'x' ? 16 : 8);
        struct token token = lexer_number_end(lexer, LEX_INTEGER, offset);
        return digit_count ? token : lexer_invalid(lexer, offset, "this is not a number");
    }
    uint8_t kind = LEX_INTEGER;
    lexer_skip_digits(lexer, 10);
    if (lexer_byte(lexer, 0) == '.' && byte_is_digit(lexer_byte(lexer, 1))) {
        kind = LEX_FLOAT;
        lexer->position++;
        lexer_skip_digits(lexer, 10);
    }
    if ((lexer_byte(lexer, 0) | 0x20) == 'e') {
        uint32_t sign = lexer_byte(lexer, 1) == '-' || lexer_byte(lexer, 1) == '+';
        if (byte_is_digit(lexer_byte(lexer, 1 + sign))) {
            kind = LEX_FLOAT;
            lexer->position += 1 + sign;
            lexer_skip_digits(lexer, 10);
        }
    }
    return lexer_number_end(lexer, kind, offset);
}

static struct token
lexer_string(struct lexer *lexer, unsigned char quote)
{
    uint32_t offset = lexer->position++;
    while (lexer->position < lexer->query.size) {
        unsigned char byte = lexer_byte(lexer, 0);
        lexer->position++;
        if (byte == quote)
            return lexer_token(lexer, LEX_STRING, offset);
        if (byte == '\\' && lexer->position < lexer->query.size)
            lexer->position++;
    }
    return lexer_invalid(lexer, offset, "the string has no closing quote");
}

static struct token
lexer_quoted_name(struct lexer *lexer, uint32_t offset, uint8_t kind)
{
    assert(lexer_byte(lexer, 0) == '`');
    uint32_t first = ++lexer->position;
    while (lexer->position < lexer->query.size) {
        if (lexer_byte(lexer, 0) != '`') {
            lexer->position++;
            continue;
        }
        if (lexer_byte(lexer, 1) == '`') {
            lexer->position += 2;
            continue;
        }
        bool is_empty = lexer->position == first;
        lexer->position++;
        return is_empty ? lexer_invalid(lexer, offset, "a name must not be empty")
                        : lexer_token(lexer, kind, offset);
    }
    return lexer_invalid(lexer, offset, "the name has no closing backquote");
}

static struct token
lexer_parameter(struct lexer *lexer)
{
    uint32_t offset = lexer->position++;
    if (lexer_byte(lexer, 0) == '`')
        return lexer_quoted_name(lexer, offset, LEX_PARAMETER);
    uint32_t first = lexer->position, size;
    uint32_t point = lexer_code_point(lexer, &size);
    while (size > 0 && point_is_name(point, false)) {
        lexer->position += size;
        point = lexer_code_point(lexer, &size);
    }
    if (lexer->position == first)
        return lexer_invalid(lexer, offset, "a parameter needs a name: $name");
    return lexer_token(lexer, LEX_PARAMETER, offset);
}

static struct token
lexer_symbol(struct lexer *lexer)
{
    static const struct {
        char text[3];
        uint8_t kind;
    } pairs[] = {
        {"..", LEX_DOT_DOT},    {"<=", LEX_LESS_EQUAL}, {">=", LEX_GREATER_EQUAL},
        {"<>", LEX_NOT_EQUAL},  {"!=", LEX_NOT_EQUAL},  {"=~", LEX_MATCHES},
        {"+=", LEX_PLUS_EQUAL}, {"||", LEX_BAR_BAR},    {"::", LEX_COLON_COLON},
    };
    uint32_t offset = lexer->position;
    unsigned char first = lexer_byte(lexer, 0), second = lexer_byte(lexer, 1);
    for (uint32_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if ((unsigned char)pairs[i].text[0] != first || (unsigned char)pairs[i].text[1] != second)
            continue;
        lexer->position += 2;
        return lexer_token(lexer, pairs[i].kind, offset);
    }
    uint32_t size;
    uint32_t point = lexer_code_point(lexer, &size);
    assert(size > 0);
    lexer->position += size;
    if (point >= LEX_SYMBOL_FIRST && point < 127)
        return lexer_token(lexer, (uint8_t)point, offset);
    uint8_t symbol = point_symbol(point);
    if (symbol)
        return lexer_token(lexer, symbol, offset);
    return lexer_invalid(lexer, offset, "this character has no meaning here");
}

/* --- decoding --- */

struct decoder {
    const char *from, *end; /* what is left */
    char *to;
};

static bool
decoder_hex(struct decoder *decoder, uint32_t digit_count, uint32_t *out)
{
    uint32_t value = 0;
    if (decoder->end - decoder->from < (ptrdiff_t)digit_count)
        return false;
    for (uint32_t i = 0; i < digit_count; i++) {
        unsigned char byte = (unsigned char)decoder->from[i];
        if (!byte_is_digit_of(byte, 16))
            return false;
        value = value * 16 +
                (byte_is_digit(byte) ? (uint32_t)byte - '0' : (uint32_t)(byte | 0x20) - 'a' + 10);
    }
    decoder->from += digit_count;
    *out = value;
    return true;
}

/* After \u or \U. Two \u escapes that are a surrogate pair make one character. */
static bool
decoder_unicode(struct decoder *decoder, uint32_t digit_count)
{
    uint32_t point, low;
    if (!decoder_hex(decoder, digit_count, &point))
        return false;
    if (digit_count == 4 && point >= 0xd800 && point < 0xdc00) {
        if (decoder->end - decoder->from < 6 || decoder->from[0] != '\\' || decoder->from[1] != 'u')
            return false;
        decoder->from += 2;
        if (!decoder_hex(decoder, 4, &low) || low < 0xdc00 || low > 0xdfff)
            return false;
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return false;
    decoder->to += utf8proc_encode_char((utf8proc_int32_t)point, (utf8proc_uint8_t *)decoder->to);
    return true;
}

static const char *
decoder_escape(struct decoder *decoder)
{
    static const char from[] = "\\'\"`bfnrt", to[] = "\\'\"`\b\f\n\r\t";
    if (decoder->from == decoder->end)
        return "the escape has no character";
    char escaped = *decoder->from++;
    if (escaped == 'u' || escaped == 'U') {
        if (decoder_unicode(decoder, escaped == 'u' ? 4 : 8))
            return NULL;
        return "this is not a Unicode character: \\uXXXX takes four hexadecimal digits, "
               "\\UXXXXXXXX eight";
    }
    const char *found = escaped ? strchr(from, escaped) : NULL;
    if (!found)
        return "this escape is not known; a backslash itself is written \\\\";
    *decoder->to++ = to[found - from];
    return NULL;
}

const char *
token_decode(
    struct arena *arena,
    struct text query,
    struct token token,
    struct text *out,
    uint32_t *problem_offset)
{
    assert(token.end <= query.size && token.offset < token.end);
    struct decoder decoder = {.from = query.data + token.offset, .end = query.data + token.end};
    if (token.kind == LEX_PARAMETER)
        decoder.from++;
    bool is_string = token.kind == LEX_STRING;
    if (is_string || *decoder.from == '`') {
        decoder.from++;
        decoder.end--;
    }
    /* No escape is shorter than what it stands for. */
    char *data = arena_allocate(arena, (size_t)(decoder.end - decoder.from) + 1);
    *out = (struct text){data, 0};
    if (!data)
        return NULL;
    decoder.to = data;
    while (decoder.from < decoder.end) {
        char byte = *decoder.from++;
        if (is_string && byte == '\\') {
            *problem_offset = (uint32_t)(decoder.from - 1 - query.data);
            const char *problem = decoder_escape(&decoder);
            if (problem)
                return problem;
            continue;
        }
        if (!is_string && byte == '`')
            decoder.from++;
        *decoder.to++ = byte;
    }
    out->size = (size_t)(decoder.to - data);
    return NULL;
}

size_t
text_utf8_invalid_offset(struct text text)
{
    size_t at = 0;
    while (at < text.size) {
        if ((unsigned char)text.data[at] < 0x80) {
            at++;
            continue;
        }
        utf8proc_int32_t point;
        const utf8proc_uint8_t *from = (const utf8proc_uint8_t *)text.data + at;
        utf8proc_ssize_t got = utf8proc_iterate(from, (utf8proc_ssize_t)(text.size - at), &point);
        if (got <= 0)
            return at;
        at += (size_t)got;
    }
    return text.size;
}
