/* The command line: takes the options every command has, picks the command, nothing else. */
#include "base/diag.h"
#include "base/text.h"
#include "cmd/cmd.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static const struct command commands[] = {
    {"run", gw_cmd_run, "run the gateway"},
    {"check", gw_cmd_check, "read the configuration and load every script, run no traffic"},
    {"try", gw_cmd_try, "run hooks on an event and show what they did"},
    {"test", gw_cmd_test, "run tests of scripts: *_spec.lua files"},
    {"send", gw_cmd_send, "send event requests to a gateway or to FlyteAdmin"},
    {"dead", gw_cmd_dead, "list, show, replay or drop what could not be delivered"},
    {"log", gw_cmd_log, "look into the log, send what it keeps again"},
    {"tap", gw_cmd_tap, "print what a running pipeline does, event by event"},
    {"schema", gw_cmd_schema, "print the JSON Schema of the configuration"},
    {"version", gw_cmd_version, "print version, build, libraries and their versions"},
};
enum { N_COMMANDS = sizeof(commands) / sizeof(*commands) };

static int print_help(void)
{
    printf("usage: moongate COMMAND [OPTION...]\n\n"
           "An event gateway: takes event requests and CloudEvents, runs Lua hooks on them, and\n"
           "publishes what becomes of them.\n\ncommands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].help);
    printf("\noptions of every command:\n"
           "  -h, --help             its own options\n"
           "  --log-level LEVEL      debug, info (default), warn or error\n"
           "  --log-format FORMAT    logfmt (default) or json\n\n"
           "Exit status: 0 done, 1 failed, 2 wrong usage.\n");
    return 0;
}

static int usage_error(const char *what, const char *word, const char *hint)
{
    char text[300];

    snprintf(text, sizeof(text), "%s%s%s%s", what, word ? " " : "", word ? word : "", hint);
    GW_DIAG(GW_ERROR, "cmd", gw_msg(text), gw_kv_cstr("help", "moongate --help"));
    return 2;
}

struct log_options {
    const char *level, *format;
};

/* --log-level and --log-format may stand anywhere; they are taken out of argv. */
static int take_log_options(int *argc, char **argv, struct log_options *o)
{
    const struct {
        const char *name;
        const char **value;
    } known[] = {{"--log-level", &o->level}, {"--log-format", &o->format}};
    int n = 1, i = 1;

    for (; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        size_t k = 0, len = 0;

        for (; k < 2; k++) {
            len = strlen(known[k].name);
            if (!strncmp(argv[i], known[k].name, len) && (!argv[i][len] || argv[i][len] == '='))
                break;
        }
        if (k == 2)
            argv[n++] = argv[i];
        else if (argv[i][len] == '=')
            *known[k].value = argv[i] + len + 1;
        else if (i + 1 < *argc)
            *known[k].value = argv[++i];
        else
            return usage_error(known[k].name, "needs a value", "");
    }
    while (i < *argc)
        argv[n++] = argv[i++];
    argv[n] = NULL;
    *argc = n;
    return 0;
}

static int wrong_choice(const char *what, const char *value, const char *const *choices)
{
    struct gw_nearest near = {.wanted = gw_str_of(value)};
    char hint[100];

    for (; *choices; choices++)
        gw_nearest_offer(&near, gw_str_of(*choices));
    return usage_error(what, value, gw_nearest_hint(&near, hint, sizeof(hint)));
}

static int setup_log(const struct log_options *o)
{
    static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
    static const char *const formats[] = {"logfmt", "json", NULL};
    enum gw_level level = GW_INFO;
    int json = o->format && !strcmp(o->format, "json");

    if (o->level && gw_diag_level_parse(o->level, &level))
        return wrong_choice("--log-level is none of debug info warn error:", o->level, levels);
    if (o->format && !json && strcmp(o->format, "logfmt") != 0)
        return wrong_choice("--log-format is neither logfmt nor json:", o->format, formats);
    gw_diag_setup(level, json);
    return 0;
}

static int run_command(int argc, char **argv)
{
    struct gw_nearest near = {.wanted = gw_str_of(argv[0])};
    char hint[100];

    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (!strcmp(argv[0], commands[i].name))
            return commands[i].run(argc, argv);
        gw_nearest_offer(&near, gw_str_of(commands[i].name));
    }
    return usage_error(argv[0][0] == '-' ? "unknown option" : "unknown command", argv[0],
                       gw_nearest_hint(&near, hint, sizeof(hint)));
}

/* Who read it has had enough, as `head` has. */
static int reader_left(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && p.revents & (POLLERR | POLLHUP);
}

/* Standard output is data: what did not get there was not done. */
static int written(int status)
{
    if (!fflush(stdout) && !ferror(stdout))
        return status;
    if (!reader_left())
        GW_DIAG(GW_ERROR, "cmd", gw_msg("standard output cannot be written"));
    return status ? status : 1;
}

int main(int argc, char **argv)
{
    struct log_options log = {0};

    signal(SIGPIPE, SIG_IGN);
    if (take_log_options(&argc, argv, &log) || setup_log(&log))
        return 2;
    if (argc < 2)
        return usage_error("no command", NULL, "");
    if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))
        return written(print_help());
    return written(run_command(argc - 1, argv + 1));
}
