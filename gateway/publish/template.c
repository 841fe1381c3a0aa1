/* Names of destinations that are made of the fields of flyte. */
#include "publish/template.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "flyte/flyte.h"

#include <stdio.h>
#include <string.h>

static int find_field(struct gw_str name, struct gw_err *err)
{
    struct gw_nearest near = {.wanted = name};
    char hint[80];

    for (int i = 0; i < GW_FACTS; i++) {
        if (gw_str_is(name, gw_flyte_fact_table[i].name))
            return i;
        gw_nearest_offer(&near, gw_str_of(gw_flyte_fact_table[i].name));
    }
    return gw_err_set(err, GW_ERR_REJECT, "flyte has no field \"%.*s\"%s", (int)name.len, name.p,
                      gw_nearest_hint(&near, hint, sizeof(hint)));
}

static int literal_ok(const struct gw_template_form *form, struct gw_str s, struct gw_err *err)
{
    for (size_t i = 0; i < s.len; i++)
        if (!form->is_char(s.p[i]))
            return gw_err_set(err, GW_ERR_REJECT, "\"%c\" cannot be in a %s: %s and {field}",
                              s.p[i], form->what, form->chars);
    return 0;
}

/* Takes the next literal and the field behind it off *text. */
static int parse_piece(const char **text, struct gw_template *out, struct gw_err *err)
{
    const char *open = strchr(*text, '{'), *close = open ? strchr(open, '}') : NULL;
    const struct gw_str literal = {*text, open ? (size_t)(open - *text) : strlen(*text)};
    int field = -1;

    if (out->n == GW_TEMPLATE_PIECES)
        return gw_err_set(err, GW_ERR_REJECT, "more than %d fields", GW_TEMPLATE_PIECES - 1);
    if (literal_ok(out->form, literal, err))
        return -1;
    if (open && !close)
        return gw_err_set(err, GW_ERR_REJECT, "{ without }");
    if (open) {
        field = find_field((struct gw_str){open + 1, (size_t)(close - open) - 1}, err);
        if (field < 0)
            return -1;
        out->fixed = 0;
    }
    out->pieces[out->n].literal = literal;
    out->pieces[out->n++].field = field;
    *text = open ? close + 1 : "";
    return 0;
}

static struct gw_str field_text(const struct gw_flyte *f, int field, char *number, size_t size)
{
    const void *at = (const char *)f + gw_flyte_fact_table[field].offset;

    switch (gw_flyte_fact_table[field].type) {
    case GW_FACT_KIND:
        return gw_str_of(gw_kind_names[f->kind]);
    case GW_FACT_ATTEMPT:
        if (f->attempt < 0)
            return (struct gw_str){0};
        return (struct gw_str){number,
                               (size_t)snprintf(number, size, "%lld", (long long)f->attempt)};
    case GW_FACT_FLAG:
        return gw_str_of(*(const int *)at ? "true" : "false");
    case GW_FACT_TEXT:
        break;
    }
    return *(const struct gw_str *)at;
}

static int append(const struct gw_template_form *form, char *name, size_t *len, struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!form->is_char(s.p[i]))
            return -1;
    if (s.len > form->max - *len)
        return -1;
    memcpy(name + *len, s.p, s.len);
    *len += s.len;
    return 0;
}

static int whole_ok(const struct gw_template_form *form, struct gw_str name, struct gw_err *err)
{
    return form->whole ? form->whole(name, err) : 0;
}

/* With any text for the fields, as far as that tells something. */
static int check_literals(const struct gw_template *t, struct gw_err *err)
{
    char name[GW_TEMPLATE_MAX];
    size_t len = 0;

    for (size_t i = 0; i < t->n; i++)
        if (append(t->form, name, &len, t->pieces[i].literal) ||
            (t->pieces[i].field >= 0 && append(t->form, name, &len, GW_STR("x"))))
            return gw_err_set(err, GW_ERR_REJECT, "a %s has 1 to %zu characters", t->form->what,
                              t->form->max);
    if (!len)
        return gw_err_set(err, GW_ERR_REJECT, "a %s has 1 to %zu characters", t->form->what,
                          t->form->max);
    return whole_ok(t->form, (struct gw_str){name, len}, err);
}

int gw_template_parse(const struct gw_template_form *form, const char *text,
                      struct gw_template *out, struct gw_err *err)
{
    *out = (struct gw_template){.form = form, .fixed = 1};
    do
        if (parse_piece(&text, out, err))
            return -1;
    while (*text);
    return check_literals(out, err);
}

int gw_template_make(const struct gw_template *t, const struct gw_flyte *flyte,
                     struct gw_arena *mem, struct gw_str *out, struct gw_err *err)
{
    const char *what = t->form->what;
    char name[GW_TEMPLATE_MAX], number[24];
    size_t len = 0;

    for (size_t i = 0; i < t->n; i++) {
        const int field = t->pieces[i].field;
        struct gw_str value = {0};

        (void)append(t->form, name, &len, t->pieces[i].literal); /* looked at by parse */
        if (field < 0)
            continue;
        if (flyte)
            value = field_text(flyte, field, number, sizeof(number));
        if (!value.len)
            return gw_err_set(err, GW_ERR_REJECT, "%s: the event has no %s", what,
                              gw_flyte_fact_table[field].name);
        if (append(t->form, name, &len, value))
            return gw_err_set(err, GW_ERR_REJECT, "%s: %s \"%.*s\" does not make a legal %s", what,
                              gw_flyte_fact_table[field].name, value.len > 80 ? 80 : (int)value.len,
                              value.p, what);
    }
    *out = (struct gw_str){gw_arena_strndup(mem, name, len), len};
    return whole_ok(t->form, *out, err);
}
