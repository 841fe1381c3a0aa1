/* How a replay gets on, as lines. Closed early it stops the replay, and frees itself when that has
 * ended. */
#include "admin/lines.h"

#include "admin/lines_busy.h"
#include "admin/lines_record.h"
#include "admin/lines_replay.h"
#include "base/buf.h"
#include "base/clock.h"
#include "net/loop.h"

#include <stdlib.h>

enum { EVERY_MS = 200, GRACE_MS = 1000 };

struct replay {
    struct gw_lines pub;
    struct gw_replay *replay;
    struct gw_mail ended_mail;
    struct gw_timer timer;
    struct gw_mail *wake;
    int due;     /* a line is to be told */
    int waiting; /* for it */
    int ended, told_end, closed;
};

static void free_replay(struct replay *r)
{
    gw_replay_join(r->replay);
    gw_timer_fini(&r->timer);
    gw_lines_count_busy(-1);
    gw_lines_free(&r->pub);
}

static void wake(struct replay *r)
{
    r->due = 1;
    if (!r->waiting)
        return;
    r->waiting = 0;
    r->wake->fn(r->wake);
}

static void on_timer(struct gw_timer *t)
{
    wake(GW_CONTAINER(t, struct replay, timer));
}

static void on_ended(struct gw_mail *m)
{
    struct replay *r = GW_CONTAINER(m, struct replay, ended_mail);

    r->ended = 1;
    if (r->closed)
        free_replay(r);
    else
        wake(r);
}

void gw_put_replay_counts(struct gw_buf *out, const struct gw_replay_counts *c)
{
    const struct {
        const char *name;
        uint64_t n;
    } counts[] = {{"{\"total\":", c->total},
                  {",\"done\":", c->done},
                  {",\"published\":", c->published},
                  {",\"filtered\":", c->filtered},
                  {",\"failed\":", c->failed},
                  {",\"seen\":", c->seen},
                  {",\"span\":", c->span}};

    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        gw_buf_puts(out, counts[i].name);
        gw_buf_put_u64(out, counts[i].n);
    }
    gw_put_json_member(out, "error", c->error[0] ? gw_str_of(c->error) : (struct gw_str){0});
    gw_buf_puts(out, c->ended ? ",\"ended\":true" : ",\"ended\":false");
    gw_buf_puts(out, c->ended && c->broken ? ",\"broken\":true}\n" : ",\"broken\":false}\n");
}

static int next_replay(struct gw_lines *pub, struct gw_buf *out, struct gw_err *err)
{
    struct replay *r = (struct replay *)pub;
    struct gw_replay_counts counts;

    (void)err;
    if (r->told_end)
        return 0;
    if (!r->due && !r->ended) {
        r->waiting = 1;
        return 2;
    }
    r->due = 0;
    r->told_end = r->ended;
    gw_replay_counts(r->replay, &counts);
    counts.ended = r->ended;
    gw_put_replay_counts(out, &counts);
    if (!r->ended)
        gw_timer_set(&r->timer, EVERY_MS);
    return 1;
}

static void close_replay(struct gw_lines *pub)
{
    struct replay *r = (struct replay *)pub;

    r->closed = 1;
    if (r->ended) {
        free_replay(r);
        return;
    }
    gw_timer_cancel(&r->timer);
    gw_replay_stop(r->replay, gw_mono_ms() + GRACE_MS);
}

struct gw_lines *gw_lines_replay(const struct gw_replay_conf *conf, struct gw_log *log,
                                 struct gw_metrics *metrics, struct gw_loop *loop,
                                 struct gw_mail *wake_mail, struct gw_err *err)
{
    struct replay *r = calloc(1, sizeof(*r));

    if (!r)
        abort();
    *r = (struct replay){.pub = {.next = next_replay, .close = close_replay},
                         .ended_mail.fn = on_ended,
                         .wake = wake_mail,
                         .due = 1};
    r->replay = gw_replay_start(conf, log, metrics, loop, &r->ended_mail, err);
    if (!r->replay) {
        free(r);
        return NULL;
    }
    gw_timer_init(&r->timer, loop, on_timer);
    gw_lines_count_busy(1);
    return &r->pub;
}
