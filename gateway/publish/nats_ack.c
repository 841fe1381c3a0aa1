/* What JetStream answers to a message that it was to keep. */
#include "base/arena.h"
#include "base/json.h"
#include "base/text.h"
#include "publish/publish_nats.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH = 16, MESSAGE_TOO_LARGE = 10054, HEADERS_TOO_LARGE = 10097 };

struct ack {
    struct gw_str stream, description; /* p NULL: not said */
    long code;
    int failed;
};

static long number(struct gw_str raw)
{
    char text[16];

    if (raw.len >= sizeof(text))
        return 0;
    memcpy(text, raw.p, raw.len);
    text[raw.len] = '\0';
    return strtol(text, NULL, 10);
}

/* The members of the error; 0: read to its end. */
static int read_error(struct gw_json *j, struct gw_arena *mem, struct ack *a)
{
    struct gw_str skipped;

    if (gw_json_next(j) != GW_JSON_OBJECT)
        return j->token == GW_JSON_NULL ? 0 : -1;
    a->failed = 1;
    while (gw_json_next(j) == GW_JSON_KEY) {
        const int is_code = gw_json_is(j, "err_code"), is_text = gw_json_is(j, "description");

        if (!is_code && !is_text) {
            if (gw_json_value(j, &skipped))
                return -1;
            continue;
        }
        if (gw_json_next(j) == GW_JSON_NUMBER && is_code)
            a->code = number(j->raw);
        else if (j->token == GW_JSON_STRING && is_text)
            a->description = gw_json_string(j, mem);
        else
            return -1;
    }
    return j->token == GW_JSON_OBJECT_END ? 0 : -1;
}

static int read_ack(struct gw_str answer, struct gw_arena *mem, struct ack *a)
{
    struct gw_str skipped;
    struct gw_json j;

    gw_json_init(&j, answer, DEPTH);
    if (gw_json_next(&j) != GW_JSON_OBJECT)
        return -1;
    while (gw_json_next(&j) == GW_JSON_KEY) {
        if (gw_json_is(&j, "error")) {
            if (read_error(&j, mem, a))
                return -1;
        } else if (gw_json_is(&j, "stream")) {
            if (gw_json_next(&j) != GW_JSON_STRING)
                return -1;
            a->stream = gw_json_string(&j, mem);
        } else if (gw_json_value(&j, &skipped)) {
            return -1;
        }
    }
    return j.token == GW_JSON_OBJECT_END && gw_json_next(&j) == GW_JSON_END ? 0 : -1;
}

static int shown(struct gw_str s, size_t max)
{
    return (int)(s.len > max ? max : s.len);
}

char *gw_nats_clean(char *text)
{
    const size_t len = strlen(text);

    for (size_t i = 0, n; i < len; i += n) {
        const unsigned char c = (unsigned char)text[i];

        n = gw_utf8_step(text + i, len - i);
        if (!n || c < ' ' || c == 0x7f) {
            text[i] = n ? ' ' : '?';
            n = 1;
        }
    }
    return text;
}

enum gw_outcome gw_nats_ack(struct gw_str answer, struct gw_arena *mem, const char **why)
{
    struct ack a = {0};
    struct gw_str text;

    if (read_ack(answer, mem, &a) || (!a.failed && !a.stream.len)) {
        *why = "somebody who is no stream of JetStream answered: is the subject one that a service "
               "listens to?";
        return GW_TRY_AGAIN;
    }
    if (!a.failed)
        return GW_DELIVERED;
    if (!a.description.len)
        a.description = GW_STR("an error without a text");
    text = gw_arena_printf(mem, "JetStream: %.*s (%ld)%s%.*s", shown(a.description, 120),
                           a.description.p, a.code, a.stream.len ? ", stream " : "",
                           shown(a.stream, 80), a.stream.len ? a.stream.p : "");
    *why = gw_nats_clean((char *)text.p);
    return a.code == MESSAGE_TOO_LARGE || a.code == HEADERS_TOO_LARGE ? GW_TOO_LARGE : GW_TRY_AGAIN;
}
