#ifndef GW_BASE_DIAG_H
#define GW_BASE_DIAG_H

#include "base/str.h"

#include <stdint.h>

/* Log lines for people, on standard error, as logfmt or JSON:
 *   time=2026-11-23T10:00:00.123Z level=info component=ingest.grpc msg="listening" address=…
 * One write a line, any thread. `error`: somebody must act; `warn`: an event or a destination is in
 * trouble; per-event success is a counter, not a line.
 *
 *   GW_DIAG(GW_WARN, "publish.kafka", gw_msg("throttled"), gw_kv_int("retry_ms", 400)); */
enum gw_level { GW_DEBUG, GW_INFO, GW_WARN, GW_ERROR };

enum gw_kv_type { GW_KV_END, GW_KV_STR, GW_KV_INT, GW_KV_DOUBLE };
struct gw_kv {
    const char *key;
    enum gw_kv_type type;
    struct gw_str s;
    int64_t i;
    double d;
};

extern enum gw_level gw_diag_level;                            /* default GW_INFO */
void gw_diag_setup(enum gw_level level, int json);             /* before threads start */
int gw_diag_level_parse(const char *name, enum gw_level *out); /* debug info warn error; -1 */
void gw_diag_write(enum gw_level level, const char *component, const struct gw_kv *kv);
/* Tests read lines through it; NULL: standard error. text ends with a newline. */
extern void (*gw_diag_sink)(const char *text, size_t len);

static inline struct gw_kv gw_kv_str(const char *key, struct gw_str s)
{
    return (struct gw_kv){.key = key, .type = GW_KV_STR, .s = s};
}

static inline struct gw_kv gw_kv_cstr(const char *key, const char *s)
{
    return gw_kv_str(key, gw_str_of(s));
}

static inline struct gw_kv gw_msg(const char *s)
{
    return gw_kv_cstr("msg", s);
}

static inline struct gw_kv gw_kv_int(const char *key, int64_t i)
{
    return (struct gw_kv){.key = key, .type = GW_KV_INT, .i = i};
}

#define GW_DIAG(level, component, ...)                                                             \
    do {                                                                                           \
        if ((level) >= gw_diag_level)                                                              \
            gw_diag_write(level, component, (const struct gw_kv[]){__VA_ARGS__, {0}});             \
    } while (0)

/* At most one line a period from one place: declare it static (or in the object that logs), ask
 * before logging. Returns 0 when the line is to be left out, else 1 plus how many were left out. */
struct gw_diag_limit {
    int64_t next_ms;
    uint64_t suppressed;
};
uint64_t gw_diag_allow(struct gw_diag_limit *l, int64_t period_ms);

#endif
