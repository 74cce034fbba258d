/* quiver: the shell. Options, where statements come from, exit status. */
#include "tools/shell/shell.h"

#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const char usage[] =
    "usage: quiver [OPTION]...\n"
    "Asks a Quiver database (or any server that speaks Bolt 5) in Cypher.\n"
    "\n"
    "  --uri URI             bolt://[user[:password]@]host[:port][/database]; default "
    "bolt://localhost:7687\n"
    "  -u, --user NAME       log on as NAME\n"
    "      --password TEXT   better: --password-file, or QUIVER_PASSWORD; asked for when missing\n"
    "      --password-file FILE\n"
    "  -d, --database NAME\n"
    "  -c, --command CYPHER  run it and leave; may be given several times\n"
    "  -f, --file FILE       run the statements in FILE and leave\n"
    "      --format FORMAT   table (default), csv, json (an object per line), lines\n"
    "  -p, --param NAME=EXPRESSION\n"
    "      --keep-going      do not stop at the first statement that fails\n"
    "      --no-timing       no line with rows and time behind the table\n"
    "      --fetch-size N    rows asked for at a time; -1: all\n"
    "  -h, --help\n"
    "  -V, --version\n"
    "\n"
    "Without -c and -f statements come from standard input; on a terminal it is an editor with "
    "history and\n"
    "completion (:help). Environment: QUIVER_URI, QUIVER_USER, QUIVER_PASSWORD.\n"
    "Exit status: 0, 1 when a statement failed, 2 when the options are wrong or nobody can be "
    "reached.\n";

enum {
    OPTION_URI = 256,
    OPTION_PASSWORD,
    OPTION_PASSWORD_FILE,
    OPTION_FORMAT,
    OPTION_KEEP_GOING,
    OPTION_NO_TIMING,
    OPTION_FETCH_SIZE
};

static const struct option long_options[] = {
    {"uri", required_argument, NULL, OPTION_URI},
    {"user", required_argument, NULL, 'u'},
    {"username", required_argument, NULL, 'u'},
    {"password", required_argument, NULL, OPTION_PASSWORD},
    {"password-file", required_argument, NULL, OPTION_PASSWORD_FILE},
    {"database", required_argument, NULL, 'd'},
    {"command", required_argument, NULL, 'c'},
    {"file", required_argument, NULL, 'f'},
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"param", required_argument, NULL, 'p'},
    {"keep-going", no_argument, NULL, OPTION_KEEP_GOING},
    {"no-timing", no_argument, NULL, OPTION_NO_TIMING},
    {"fetch-size", required_argument, NULL, OPTION_FETCH_SIZE},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

/* What to run, in the order of the command line. */
struct work {
    int kind; /* 'c', 'f' or 'p' */
    const char *argument;
};

struct command_line {
    struct work works[256];
    size_t work_count;
    bool has_source; /* -c or -f was given */
    char *password;  /* heap */
};

static int
refuse(const char *format, const char *argument)
{
    fputs("quiver: ", stderr);
    fprintf(stderr, "%s%s\n", format, argument);
    return 2;
}

/* The first line of a file. NULL: said why. */
static char *
read_password_file(const char *path)
{
    char line[4096];
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof(line), file)) {
        fprintf(
            stderr, "quiver: cannot read %s: %s\n", path, file ? "it is empty" : strerror(errno));
        if (file)
            fclose(file);
        return NULL;
    }
    fclose(file);
    return copy_or_die(line, strcspn(line, "\r\n"));
}

static char *
ask_password(const char *user)
{
    struct termios before, silent;
    char line[4096] = "";
    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return NULL;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(stderr, "Password for %s: ", user);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    char *got = fgets(line, sizeof(line), stdin);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return got ? copy_or_die(line, strcspn(line, "\r\n")) : NULL;
}

/* One option; 0, or the exit status. */
static int
take_option(struct shell *shell, struct command_line *line, int option)
{
    switch (option) {
    case OPTION_URI:
        shell->options.uri = optarg;
        return 0;
    case 'u':
        shell->options.user = optarg;
        return 0;
    case OPTION_PASSWORD:
        free(line->password);
        line->password = copy_or_die(optarg, strlen(optarg));
        memset(optarg, '*', strlen(optarg)); /* not for everybody who lists processes */
        return 0;
    case OPTION_PASSWORD_FILE:
        free(line->password);
        line->password = read_password_file(optarg);
        return line->password ? 0 : 2;
    case 'd':
        shell->options.database = optarg;
        return 0;
    case OPTION_FORMAT:
        return format_parse(optarg, &shell->format)
                   ? 0
                   : refuse("--format must be table, csv, json or lines, not ", optarg);
    case OPTION_KEEP_GOING:
        shell->keep_going = true;
        return 0;
    case OPTION_NO_TIMING:
        shell->timing = false;
        return 0;
    case OPTION_FETCH_SIZE: {
        char *end;
        shell->options.fetch_size = strtoll(optarg, &end, 10);
        bool good = *end == 0 && (shell->options.fetch_size > 0 || shell->options.fetch_size == -1);
        return good ? 0 : refuse("--fetch-size must be a positive number or -1, not ", optarg);
    }
    case 'c':
    case 'f':
    case 'p':
        if (line->work_count == sizeof(line->works) / sizeof(line->works[0]))
            return refuse("too many -c, -f and -p options", "");
        line->works[line->work_count++] = (struct work){option, optarg};
        line->has_source |= option != 'p';
        return 0;
    default:
        return refuse("see quiver --help", "");
    }
}

static bool
run_work(struct shell *shell, const struct work *work)
{
    if (work->kind == 'c')
        return input_run_text(shell, work->argument);
    if (work->kind == 'p') {
        const char *equals = strchr(work->argument, '=');
        if (!equals || equals == work->argument)
            return refuse("--param must be NAME=EXPRESSION, not ", work->argument) == 0;
        char *name = copy_or_die(work->argument, (size_t)(equals - work->argument));
        bool good = param_set(shell, name, equals + 1);
        free(name);
        return good;
    }
    FILE *file = strcmp(work->argument, "-") == 0 ? stdin : fopen(work->argument, "r");
    if (!file) {
        fprintf(stderr, "quiver: %s: %s\n", work->argument, strerror(errno));
        return false;
    }
    bool good = input_run_file(shell, file);
    if (file != stdin)
        fclose(file);
    return good;
}

static int
run_all(struct shell *shell, const struct command_line *line)
{
    if (!shell_connect(shell))
        return 2;
    bool good = true;
    for (size_t i = 0; i < line->work_count && !shell->quit && (good || shell->keep_going); i++)
        good = run_work(shell, &line->works[i]) && good;
    if (!good && !shell->keep_going)
        return 1;
    if (!line->has_source && !shell->quit) {
        if (shell->interactive) {
            printf(
                "%s at %s. :help for help, :exit to leave.\n",
                qv_connection_server(shell->connection),
                shell->options.uri ? shell->options.uri : "bolt://localhost:7687");
            input_run_interactive(shell);
            return 0;
        }
        good = input_run_file(shell, stdin) && good;
    }
    return good ? 0 : 1;
}

static void
shell_destroy(struct shell *shell)
{
    shell_disconnect(shell);
    for (size_t i = 0; i < shell->param_count; i++) {
        free(shell->params[i].name);
        free(shell->params[i].encoded);
    }
    free(shell->params);
    name_list_destroy(&shell->labels);
    name_list_destroy(&shell->types);
    name_list_destroy(&shell->keys);
}

int
main(int argc, char **argv)
{
    static struct command_line line;
    struct shell shell = {.timing = true};
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        (void)setlocale(LC_CTYPE, "C.UTF-8"); /* the data is UTF-8, whatever the terminal says */
    const char *language = getenv("LC_ALL");
    language = language && *language ? language : getenv("LC_CTYPE");
    language = language && *language ? language : getenv("LANG");
    shell.unicode = !language || !*language || strcmp(language, "POSIX") != 0;
    shell.decorate = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    shell.interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    shell.options.uri = getenv("QUIVER_URI");
    shell.options.user = getenv("QUIVER_USER");
    shell.options.user_agent = "quiver-shell";
    int status = 0, option;
    while (status == 0 &&
           (option = getopt_long(argc, argv, "u:d:c:f:p:hV", long_options, NULL)) != -1) {
        if (option == 'h' || option == 'V') {
            fputs(option == 'h' ? usage : "quiver ", stdout);
            if (option == 'V')
                puts(qv_version());
            free(line.password);
            return 0;
        }
        status = take_option(&shell, &line, option);
    }
    if (status == 0 && optind < argc)
        status = refuse("statements go behind -c; unexpected: ", argv[optind]);
    const char *password = line.password ? line.password : getenv("QUIVER_PASSWORD");
    if (status == 0 && !password && shell.options.user && shell.interactive)
        password = line.password = ask_password(shell.options.user);
    shell.options.password = password;
    if (status == 0)
        status = run_all(&shell, &line);
    shell_destroy(&shell);
    free(line.password);
    return status;
}
