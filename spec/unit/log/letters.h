#ifndef SPEC_LOG_LETTERS_H
#define SPEC_LOG_LETTERS_H

/* Dead letters of a log under test: settled, listed, changed. */
#include "logs.h"

#include <stdlib.h>

/* Settles sequence as a letter; returns whether it was refused. */
static inline int letters_settle(struct rig *r, struct gw_cursor *c, uint64_t sequence,
                                 const struct gw_dead_letter *d)
{
    struct gw_settled item = {{0, sequence}, GW_DEAD, d, 0};
    struct rig_settle s = {
        .s = {.mail.fn = rig_settled, .reply = r->loop, .cursor = c, .items = &item, .n = 1}};

    gw_log_settle(r->log, &s.s);
    while (!s.done)
        gw_loop_turn(r->loop, 1);
    CHECK(!s.s.failed);
    return item.refused;
}

/* One of `bytes` in all, its record made of `fill`, that came at second `at`. */
static inline int letters_put_of(struct rig *r, uint64_t sequence, char fill, size_t bytes,
                                 int64_t at)
{
    char *record = malloc(bytes + 1);
    const struct gw_dead_letter d = {.reason = "hook_error",
                                     .event_id = GW_STR("id"),
                                     .error = GW_STR("no"),
                                     .record = {record, bytes - 4},
                                     .attempts = 1,
                                     .first_at_ns = at * 1000000000,
                                     .last_at_ns = at * 1000000000};
    int refused;

    CHECK(record && bytes > 4);
    memset(record, fill, bytes);
    refused = letters_settle(r, r->cursor, sequence, &d);
    free(record);
    return refused;
}

static inline int letters_put(struct rig *r, uint64_t sequence, size_t bytes, int64_t at)
{
    return letters_put_of(r, sequence, '\0', bytes, at);
}

struct letters_add {
    struct gw_letter_add a;
    int done;
};

static inline void letters_added(struct gw_mail *m)
{
    GW_CONTAINER(m, struct letters_add, a.mail)->done = 1;
}

/* A letter of ingest; returns whether it was refused. */
static inline int letters_add(struct rig *r, const struct gw_dead_letter *d)
{
    struct letters_add a = {.a = {.mail.fn = letters_added, .reply = r->loop, .d = d}};

    gw_letter_add(r->log, &a.a);
    while (!a.done)
        gw_loop_turn(r->loop, 1);
    CHECK(!a.a.failed);
    return a.a.refused;
}

struct letters_change {
    struct gw_letter_change c;
    int done;
};

static inline void letters_changed(struct gw_mail *m)
{
    GW_CONTAINER(m, struct letters_change, c.mail)->done = 1;
}

/* Returns whether it was found. */
static inline int letters_change(struct rig *r, const char *pipeline, uint64_t number,
                                 const struct gw_dead_letter *again)
{
    struct letters_change c = {.c = {.mail.fn = letters_changed,
                                     .reply = r->loop,
                                     .pipeline = gw_str_of(pipeline),
                                     .number = number,
                                     .again = again}};

    gw_letter_change(r->log, &c.c);
    while (!c.done)
        gw_loop_turn(r->loop, 1);
    CHECK(!c.c.failed);
    return c.c.found;
}

/* "p/1 p/3 q/1" of what the query finds. */
static inline const char *letters_list(struct rig *r, const struct gw_letter_query *q)
{
    static char text[4096];
    struct gw_letter l;
    struct gw_err err = {0};
    struct gw_letters *all = gw_letters_open(r->log, q, 0, &err);
    size_t n = 0;
    int rc;

    if (!all)
        fprintf(stderr, "%s\n", err.msg);
    CHECK(all);
    text[0] = '\0';
    while ((rc = gw_letters_next(all, r->mem, &l, &err)) == 1) {
        CHECK(!l.d.record.p && n < sizeof(text) - 100);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s/%llu", n ? " " : "",
                              (int)l.pipeline.len, l.pipeline.p, (unsigned long long)l.number);
    }
    if (rc)
        fprintf(stderr, "%s\n", err.msg);
    CHECK(rc == 0);
    gw_letters_close(all);
    return text;
}

static inline const char *letters_all(struct rig *r)
{
    return letters_list(r, &(struct gw_letter_query){0});
}

#define CHECK_LETTERS(rig, text)                                                                   \
    do {                                                                                           \
        const char *is_ = letters_all(rig);                                                        \
        if (strcmp(is_, text) != 0)                                                                \
            fprintf(stderr, "letters: %s\n", is_);                                                 \
        CHECK(!strcmp(is_, text));                                                                 \
    } while (0)

#endif
