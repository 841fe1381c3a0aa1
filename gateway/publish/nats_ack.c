/* What JetStream answers to a message that it was to keep. */
#include "base/arena.h"
#include "base/json.h"
#include "base/text.h"
#include "publish/publish_nats.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEPTH = 16,
    NO_MESSAGE = 10037,
    MESSAGE_TOO_LARGE = 10054,
    NO_STREAM = 10059,
    HEADERS_TOO_LARGE = 10097
};

struct ack {
    struct gw_str stream, seq, description; /* p NULL: not said */
    struct gw_str subject;                  /* of a message that was asked for */
    long code;
    int failed, duplicate;
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

/* The message that was asked for, up to its subject: what follows is long, and may be cut. */
static int read_subject(struct gw_json *j, struct gw_arena *mem, struct ack *a)
{
    struct gw_str skipped;

    if (gw_json_next(j) != GW_JSON_OBJECT)
        return -1;
    while (gw_json_next(j) == GW_JSON_KEY) {
        if (!gw_json_is(j, "subject")) {
            if (gw_json_value(j, &skipped))
                return -1;
            continue;
        }
        if (gw_json_next(j) == GW_JSON_STRING)
            a->subject = gw_json_string(j, mem);
        return 0;
    }
    return -1;
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
        } else if (gw_json_is(&j, "seq")) {
            if (gw_json_next(&j) != GW_JSON_NUMBER)
                return -1;
            a->seq = j.raw;
        } else if (gw_json_is(&j, "duplicate")) {
            a->duplicate = gw_json_next(&j) == GW_JSON_TRUE;
        } else if (gw_json_is(&j, "message")) {
            return read_subject(&j, mem, a);
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

static enum gw_outcome failure(const struct ack *a, struct gw_arena *mem, const char **why)
{
    const struct gw_str said =
        a->description.len ? a->description : GW_STR("an error without a text");
    const struct gw_str text = gw_arena_printf(
        mem, "JetStream: %.*s (%ld)%s%.*s", shown(said, 120), said.p, a->code,
        a->stream.len ? ", stream " : "", shown(a->stream, 80), a->stream.len ? a->stream.p : "");

    *why = gw_nats_clean((char *)text.p);
    return a->code == MESSAGE_TOO_LARGE || a->code == HEADERS_TOO_LARGE ? GW_TOO_LARGE
                                                                        : GW_TRY_AGAIN;
}

enum gw_outcome gw_nats_ack(struct gw_str answer, struct gw_arena *mem, struct gw_nats_kept *kept,
                            const char **why)
{
    struct ack a = {0};

    *kept = (struct gw_nats_kept){0};
    if (read_ack(answer, mem, &a) || (!a.failed && !a.stream.len)) {
        *why = "somebody who is no stream of JetStream answered: is the subject one that a service "
               "listens to?";
        return GW_TRY_AGAIN;
    }
    if (a.failed)
        return failure(&a, mem, why);
    if (a.duplicate)
        *kept = (struct gw_nats_kept){a.stream, a.seq};
    return GW_DELIVERED;
}

int gw_nats_found(struct gw_str answer, struct gw_arena *mem, struct gw_str *subject,
                  const char **why)
{
    struct ack a = {0};

    *subject = (struct gw_str){0};
    if (!read_ack(answer, mem, &a) && a.failed && a.code != NO_MESSAGE && a.code != NO_STREAM) {
        (void)failure(&a, mem, why);
        return -1;
    }
    *subject = a.subject;
    return 0;
}
