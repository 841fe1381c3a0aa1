/* Log lines: built in a buffer on the stack's arena, written with one write. */
#include "base/diag.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "base/time.h"

#include <stdio.h>
#include <unistd.h>

enum { MAX_LINE = 65536, MAX_VALUE = 4096 };

enum gw_level gw_diag_level = GW_INFO;
void (*gw_diag_sink)(const char *text, size_t len);
static int as_json;

static const char *const levels[] = {"debug", "info", "warn", "error"};

void gw_diag_setup(enum gw_level level, int json)
{
    gw_diag_level = level;
    as_json = json;
}

int gw_diag_level_parse(const char *name, enum gw_level *out)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(name, levels[i]) != 0)
            continue;
        *out = (enum gw_level)i;
        return 0;
    }
    return -1;
}

/* logfmt: quotes only where a reader would stumble without them; msg always has them. */
static int needs_quotes(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
            return 1;
    }
    return s.len == 0;
}

static void put_text(struct gw_buf *b, const char *key, struct gw_str s)
{
    if (s.len > MAX_VALUE)
        s.len = MAX_VALUE;
    if (as_json || !strcmp(key, "msg") || needs_quotes(s))
        gw_json_put_string(b, s);
    else
        gw_buf_put_str(b, s);
}

static void put_kv(struct gw_buf *b, const struct gw_kv *kv)
{
    if (kv->type == GW_KV_STR && !kv->s.p)
        return;
    if (as_json)
        gw_json_put_key(b, b->len == 1, gw_str_of(kv->key));
    else
        gw_buf_printf(b, "%s%s=", b->len ? " " : "", kv->key);
    if (kv->type == GW_KV_STR)
        put_text(b, kv->key, kv->s);
    else if (kv->type == GW_KV_INT)
        gw_buf_put_i64(b, kv->i);
    else
        gw_json_put_double(b, kv->d);
}

static size_t now_text(char out[GW_TIME_TEXT])
{
    struct gw_time now = gw_time_of_ns(gw_clock_wall_ns());
    size_t n;

    now.nanos = now.nanos / 1000000 * 1000000;
    n = gw_time_format(now, out);
    if (now.nanos == 0 && n > 0) /* milliseconds always, so that lines align */
        n = n - 1 + (size_t)snprintf(out + n - 1, GW_TIME_TEXT - n, ".000Z");
    return n;
}

static void emit(struct gw_buf *b)
{
    ssize_t n;

    if (b->failed) { /* too long a line: keep its beginning, on one line */
        b->failed = 0;
        if (b->len >= MAX_LINE)
            b->len = MAX_LINE - 1;
    }
    gw_buf_putc(b, '\n');
    if (gw_diag_sink) {
        gw_diag_sink(b->p, b->len);
        return;
    }
    n = write(STDERR_FILENO, b->p, b->len);
    (void)n; /* nowhere to say so */
}

void gw_diag_write(enum gw_level level, const char *component, const struct gw_kv *kv)
{
    char when[GW_TIME_TEXT];
    struct gw_buf b;

    gw_buf_init(&b, MAX_LINE, NULL);
    if (as_json)
        gw_buf_putc(&b, '{');
    put_kv(&b, &(struct gw_kv){.key = "time", .type = GW_KV_STR, .s = {when, now_text(when)}});
    put_kv(&b, &(struct gw_kv){.key = "level", .type = GW_KV_STR, .s = gw_str_of(levels[level])});
    put_kv(&b, &(struct gw_kv){.key = "component", .type = GW_KV_STR, .s = gw_str_of(component)});
    for (; kv->type != GW_KV_END; kv++)
        put_kv(&b, kv);
    if (as_json)
        gw_buf_putc(&b, '}');
    emit(&b);
    gw_buf_free(&b);
}

uint64_t gw_diag_allow(struct gw_diag_limit *l, int64_t period_ms)
{
    int64_t now = gw_mono_ms();
    uint64_t left_out = l->suppressed;

    if (now < l->next_ms) {
        l->suppressed++;
        return 0;
    }
    l->next_ms = now + period_ms;
    l->suppressed = 0;
    return left_out + 1;
}
