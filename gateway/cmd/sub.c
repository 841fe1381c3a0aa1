#include "cmd/sub.h"

#include "base/diag.h"
#include "base/text.h"

#include <stdio.h>

static int print_help(const char *command, const char *about, const struct gw_sub *subs)
{
    printf("usage: moongate %s ", command);
    for (const struct gw_sub *s = subs; s->name; s++)
        printf("%s%s", s == subs ? "" : "|", s->name);
    printf(" [OPTION...]\n\n%s\n\n", about);
    for (const struct gw_sub *s = subs; s->name; s++)
        printf("  %-10s %s\n", s->name, s->help);
    printf("\noptions of each: moongate %s %s --help\n", command, subs->name);
    return 0;
}

static int usage_error(const char *command, const struct gw_sub *subs, const char *word)
{
    struct gw_nearest near = {.wanted = gw_str_of(word)};
    char text[300], hint[100], help[64];
    size_t at;

    for (const struct gw_sub *s = subs; word && s->name; s++)
        gw_nearest_offer(&near, gw_str_of(s->name));
    at = (size_t)snprintf(text, sizeof(text), "%s%.100s%s: it is one of",
                          word ? "unknown: " : "which one is missing", word ? word : "",
                          word ? gw_nearest_hint(&near, hint, sizeof(hint)) : "");
    for (const struct gw_sub *s = subs; s->name && at < sizeof(text); s++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, " %s", s->name);
    snprintf(help, sizeof(help), "moongate %s --help", command);
    GW_DIAG(GW_ERROR, command, gw_msg(text), gw_kv_cstr("help", help));
    return 2;
}

static const struct gw_sub *find(const struct gw_sub *subs, const char *word)
{
    for (; subs->name; subs++)
        if (!strcmp(subs->name, word))
            return subs;
    return NULL;
}

int gw_sub_run(const char *command, const char *about, const struct gw_sub *subs, int argc,
               char **argv)
{
    const struct gw_sub *sub = NULL;
    int i = 1;

    while (i < argc && !(sub = find(subs, argv[i])) && (i > 1 || argv[i][0] == '-'))
        i++;
    if (sub) {
        char *name = argv[i];

        for (; i > 1; i--)
            argv[i] = argv[i - 1];
        argv[1] = name;
        return sub->run(argc - 1, argv + 1);
    }
    for (int k = 1; k < argc; k++)
        if (!strcmp(argv[k], "-h") || !strcmp(argv[k], "--help"))
            return print_help(command, about, subs);
    return usage_error(command, subs, argc > 1 ? argv[1] : NULL);
}
