#include "cmd/option.h"

#include "base/diag.h"
#include "base/field.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int gw_usage_error(const struct gw_usage *u, const char *fmt, ...)
{
    char text[400], help[100];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    snprintf(help, sizeof(help), "moongate %s --help", u->command);
    GW_DIAG(GW_ERROR, u->command, gw_msg(text), gw_kv_cstr("help", help));
    return 2;
}

static void print_help(const struct gw_usage *u)
{
    char left[64];

    printf("usage: %s\n\n%s\n\noptions:\n", u->line, u->about);
    for (const struct gw_option *o = u->options; o->name; o++) {
        char letter[8] = "";

        if (o->letter)
            snprintf(letter, sizeof(letter), "-%c, ", o->letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
                 o->arg ? o->arg : "");
        printf("  %-26s %s\n", left, o->help);
    }
    printf("  %-26s %s\n", "-h, --help", "this text");
    printf("  %-26s %s\n", "--log-level LEVEL", "debug, info, warn or error");
    printf("  %-26s %s\n", "--log-format FORMAT", "logfmt or json");
}

static const struct gw_option *by_letter(const struct gw_usage *u, char letter)
{
    for (const struct gw_option *o = u->options; o->name; o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

static const struct gw_option *by_name(const struct gw_usage *u, struct gw_str name,
                                       struct gw_nearest *near)
{
    near->wanted = name;
    for (const struct gw_option *o = u->options; o->name; o++) {
        if (gw_str_is(name, o->name))
            return o;
        gw_nearest_offer(near, gw_str_of(o->name));
    }
    gw_nearest_offer(near, GW_STR("help"));
    return NULL;
}

static int store(const struct gw_usage *u, const struct gw_option *o, const char *value)
{
    char *end;
    long long n;

    if (o->type == GW_OPT_FLAG) {
        *(int *)o->value = 1;
    } else if (o->type == GW_OPT_STR) {
        *(const char **)o->value = value;
    } else if (o->type == GW_OPT_STRS) {
        struct gw_strs *list = o->value;

        list->items[list->n++] = value;
    } else {
        errno = 0;
        n = strtoll(value, &end, 10);
        if (errno || end == value || *end || n < o->min || n > o->max)
            return gw_usage_error(u, "--%s: \"%s\" is not a number from %lld to %lld", o->name,
                                  value, (long long)o->min, (long long)o->max);
        *(int64_t *)o->value = n;
    }
    return GW_OPTIONS_OK;
}

/* `attached` is the value behind = or behind the letter, NULL if none. */
static int take(const struct gw_usage *u, const struct gw_option *o, const char *attached,
                char **argv, int *i)
{
    if (o->type == GW_OPT_FLAG && attached)
        return gw_usage_error(u, "--%s takes no value", o->name);
    if (o->type != GW_OPT_FLAG && !attached) {
        attached = argv[*i + 1];
        if (!attached)
            return gw_usage_error(u, "--%s needs a value: %s", o->name, o->arg);
        (*i)++;
    }
    return store(u, o, attached);
}

static int long_option(const struct gw_usage *u, char **argv, int *i)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    struct gw_str s = {name, equals ? (size_t)(equals - name) : strlen(name)};
    struct gw_nearest near = {0};
    const struct gw_option *o = by_name(u, s, &near);

    if (!o && near.best.p)
        return gw_usage_error(u, "unknown option --%.*s (did you mean \"--%.*s\"?)", (int)s.len,
                              s.p, (int)near.best.len, near.best.p);
    if (!o)
        return gw_usage_error(u, "unknown option --%.*s", (int)s.len, s.p);
    return take(u, o, equals ? equals + 1 : NULL, argv, i);
}

static int short_option(const struct gw_usage *u, char **argv, int *i)
{
    const struct gw_option *o = by_letter(u, argv[*i][1]);

    if (!o)
        return gw_usage_error(u, "unknown option -%c", argv[*i][1]);
    return take(u, o, argv[*i][2] ? argv[*i] + 2 : NULL, argv, i);
}

static int is_help(const char *arg)
{
    return !strcmp(arg, "-h") || !strcmp(arg, "--help");
}

int gw_options(const struct gw_usage *u, int argc, char **argv, int *n_args)
{
    int only_args = 0, n = 0, rc = GW_OPTIONS_OK;

    for (int i = 1; i < argc && rc == GW_OPTIONS_OK; i++) {
        const char *arg = argv[i];

        if (only_args || arg[0] != '-' || !arg[1]) {
            argv[++n] = argv[i];
        } else if (!strcmp(arg, "--")) {
            only_args = 1;
        } else if (is_help(arg)) {
            print_help(u);
            return 0;
        } else {
            rc = arg[1] == '-' ? long_option(u, argv, &i) : short_option(u, argv, &i);
        }
    }
    if (rc == GW_OPTIONS_OK && n > u->max_args)
        rc = gw_usage_error(u, "unexpected argument \"%s\"", argv[u->max_args + 1]);
    *n_args = n;
    return rc;
}
