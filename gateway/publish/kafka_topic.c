#include "publish/publish_kafka.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "event/route.h"
#include "flyte/flyte.h"

#include <stdio.h>
#include <string.h>

enum { TOPIC_MAX = 249 };

static int is_topic_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

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

static int literal_ok(struct gw_str s, struct gw_err *err)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_topic_char(s.p[i]))
            return gw_err_set(err, GW_ERR_REJECT,
                              "\"%c\" cannot be in a topic: letters, digits, . _ - and {field}",
                              s.p[i]);
    return 0;
}

/* Takes the next literal and the field behind it off *text. */
static int parse_piece(const char **text, struct gw_kafka_topic *out, struct gw_err *err)
{
    const char *open = strchr(*text, '{'), *close = open ? strchr(open, '}') : NULL;
    const struct gw_str literal = {*text, open ? (size_t)(open - *text) : strlen(*text)};
    int field = -1;

    if (out->n == GW_TOPIC_PIECES)
        return gw_err_set(err, GW_ERR_REJECT, "more than %d fields", GW_TOPIC_PIECES - 1);
    if (literal_ok(literal, err))
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

int gw_kafka_topic_parse(const char *text, struct gw_kafka_topic *out, struct gw_err *err)
{
    *out = (struct gw_kafka_topic){.fixed = 1};
    do
        if (parse_piece(&text, out, err))
            return -1;
    while (*text);
    if (out->fixed && (out->pieces[0].literal.len == 0 || out->pieces[0].literal.len > TOPIC_MAX))
        return gw_err_set(err, GW_ERR_REJECT, "a topic has 1 to %d characters", TOPIC_MAX);
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

static int append(char *name, size_t *len, struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_topic_char(s.p[i]))
            return -1;
    if (s.len > TOPIC_MAX - *len)
        return -1;
    memcpy(name + *len, s.p, s.len);
    *len += s.len;
    return 0;
}

int gw_kafka_topic_make(const struct gw_kafka_topic *t, const struct gw_flyte *flyte,
                        struct gw_arena *mem, struct gw_str *out, struct gw_err *err)
{
    char name[TOPIC_MAX + 1], number[24];
    size_t len = 0;

    for (size_t i = 0; i < t->n; i++) {
        const int field = t->pieces[i].field;
        struct gw_str value = {0};

        (void)append(name, &len, t->pieces[i].literal); /* legal; too long shows below */
        if (field < 0)
            continue;
        if (flyte)
            value = field_text(flyte, field, number, sizeof(number));
        if (!value.len)
            return gw_err_set(err, GW_ERR_REJECT, "topic: the event has no %s",
                              gw_flyte_fact_table[field].name);
        if (append(name, &len, value))
            return gw_err_set(err, GW_ERR_REJECT, "topic: %s \"%.*s\" does not make a legal topic",
                              gw_flyte_fact_table[field].name, value.len > 80 ? 80 : (int)value.len,
                              value.p);
    }
    *out = (struct gw_str){gw_arena_strndup(mem, name, len), len};
    return 0;
}

/* ---- topics that hooks choose ---- */

static int check_chars(struct gw_str s, const char *more, struct gw_err *err)
{
    if (!s.len || s.len > TOPIC_MAX)
        return gw_err_set(err, GW_ERR_REJECT, "a topic has 1 to %d characters", TOPIC_MAX);
    for (size_t i = 0; i < s.len; i++)
        if (!is_topic_char(s.p[i]) && (!s.p[i] || !strchr(more, s.p[i])))
            return gw_err_set(err, GW_ERR_REJECT,
                              "topic \"%.*s\": a topic has letters, digits, . _ -",
                              s.len > 80 ? 80 : (int)s.len, s.p);
    if (gw_str_is(s, ".") || gw_str_is(s, ".."))
        return gw_err_set(err, GW_ERR_REJECT, "\"%.*s\" is no topic", (int)s.len, s.p);
    return 0;
}

static int kafka_topic(struct gw_str topic, struct gw_err *err)
{
    return check_chars(topic, "", err);
}

static int kafka_pattern(struct gw_str pattern, struct gw_err *err)
{
    return check_chars(pattern, "*?", err);
}

const struct gw_routing gw_kafka_routing = {
    .publisher = "kafka", .topic_is = "topic", .topic = kafka_topic, .pattern = kafka_pattern};
