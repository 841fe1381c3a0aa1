/* Watchers of a pipeline. The workers write lines into each watcher's bounded buffer, the watcher
 * takes them on its own loop. What they share outlives the pipeline while somebody still has a
 * watcher, and is locked; a pipeline that nobody watches pays one relaxed load a record. */
#include "pipeline/tap.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/time.h"
#include "event/event.h"
#include "event/format.h"
#include "event/route.h"
#include "pipeline/worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUFFER = 1 << 20,     /* bytes of lines that a watcher has not taken */
    LINE_MAX_ = BUFFER,   /* a longer one is missed */
    DATA_MAX = 8192,      /* larger data is cut */
    DATA_START = 1024,    /* to this */
    MISSED_ROOM = 40,     /* {"missed":…} */
    COMPACT_AT = 1 << 16, /* taken bytes before the rest is moved down */
};

/* What is posted to a watcher's loop: it outlives the watcher if it must. */
struct waker {
    struct gw_mail mail;
    struct gw_tap *tap; /* NULL: closed. The watcher's thread */
};

struct gw_taps {
    pthread_mutex_t lock; /* of all of it, and of what is marked below */
    unsigned refs;
    struct gw_tap *first;
    struct gw_pipeline *pipeline; /* NULL: it has stopped */
};

struct gw_tap {
    struct gw_taps *taps;
    struct gw_tap *next; /* locked, like all that follows */
    struct gw_buf lines;
    size_t taken; /* of lines */
    uint64_t missed;
    struct gw_loop *loop;
    struct gw_mail *wake;
    struct waker *waker;
    int waiting, posted;
};

/* ---- what the pipeline and its watchers share ---- */

struct gw_taps *gw_taps_new(struct gw_pipeline *p)
{
    struct gw_taps *t = calloc(1, sizeof(*t));

    if (!t)
        abort();
    pthread_mutex_init(&t->lock, NULL);
    t->refs = 1;
    t->pipeline = p;
    return t;
}

/* Unlocks too. */
static void drop_ref(struct gw_taps *t)
{
    const unsigned left = --t->refs;

    pthread_mutex_unlock(&t->lock);
    if (left)
        return;
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static void wake(struct gw_tap *tap)
{
    if (!tap->waiting || tap->posted)
        return;
    tap->waiting = 0;
    tap->posted = 1;
    gw_loop_post_mail(tap->loop, &tap->waker->mail);
}

void gw_taps_end(struct gw_taps *t)
{
    pthread_mutex_lock(&t->lock);
    t->pipeline = NULL;
    for (struct gw_tap *tap = t->first; tap; tap = tap->next)
        wake(tap);
    drop_ref(t);
}

/* ---- watchers ---- */

static void on_wake(struct gw_mail *m)
{
    struct waker *k = GW_CONTAINER(m, struct waker, mail);
    struct gw_tap *tap = k->tap;

    if (!tap) {
        free(k);
        return;
    }
    pthread_mutex_lock(&tap->taps->lock);
    tap->posted = 0;
    pthread_mutex_unlock(&tap->taps->lock);
    tap->wake->fn(tap->wake);
}

struct gw_tap *gw_tap_open(struct gw_pipeline *p, struct gw_loop *loop, struct gw_mail *wake_mail)
{
    struct gw_taps *t = p->taps;
    struct gw_tap *tap = calloc(1, sizeof(*tap));
    struct waker *k = calloc(1, sizeof(*k));

    if (!tap || !k)
        abort();
    *k = (struct waker){.mail = {.fn = on_wake}, .tap = tap};
    *tap = (struct gw_tap){.taps = t, .loop = loop, .wake = wake_mail, .waker = k};
    gw_buf_init(&tap->lines, BUFFER + COMPACT_AT + MISSED_ROOM, NULL);
    pthread_mutex_lock(&t->lock);
    t->refs++;
    tap->next = t->first;
    t->first = tap;
    pthread_mutex_unlock(&t->lock);
    atomic_fetch_add(&p->watchers, 1);
    return tap;
}

static void put_missed(struct gw_tap *tap, struct gw_buf *out)
{
    gw_buf_puts(out, "{\"missed\":");
    gw_buf_put_u64(out, tap->missed);
    gw_buf_puts(out, "}\n");
    tap->missed = 0;
}

static void take_line(struct gw_tap *tap, struct gw_buf *out)
{
    const char *at = tap->lines.p + tap->taken;
    const char *end = memchr(at, '\n', tap->lines.len - tap->taken);

    assert(end);
    gw_buf_put(out, at, (size_t)(end - at) + 1);
    tap->taken += (size_t)(end - at) + 1;
    if (tap->taken == tap->lines.len) {
        gw_buf_clear(&tap->lines);
        tap->taken = 0;
    } else if (tap->taken >= COMPACT_AT) {
        gw_buf_drop(&tap->lines, tap->taken);
        tap->taken = 0;
    }
}

int gw_tap_next(struct gw_tap *tap, struct gw_buf *out)
{
    struct gw_taps *t = tap->taps;
    int got = 1;

    pthread_mutex_lock(&t->lock);
    if (tap->taken < tap->lines.len)
        take_line(tap, out);
    else if (tap->missed)
        put_missed(tap, out);
    else
        got = t->pipeline ? 0 : -1;
    tap->waiting = got == 0;
    pthread_mutex_unlock(&t->lock);
    return got;
}

void gw_tap_close(struct gw_tap *tap)
{
    struct gw_taps *t;
    struct gw_tap **at;

    if (!tap)
        return;
    t = tap->taps;
    pthread_mutex_lock(&t->lock);
    for (at = &t->first; *at != tap; at = &(*at)->next)
        ;
    *at = tap->next;
    if (t->pipeline)
        atomic_fetch_sub(&t->pipeline->watchers, 1);
    if (tap->posted)
        tap->waker->tap = NULL; /* its mail frees it */
    else
        free(tap->waker);
    drop_ref(t);
    gw_buf_free(&tap->lines);
    free(tap);
}

/* ---- lines ---- */

static size_t held(const struct gw_tap *tap)
{
    return tap->lines.len - tap->taken;
}

/* Nobody has room even for a short line: it need not be made. */
static int all_full(struct gw_taps *t)
{
    enum { SHORT = 100 };
    int full = 1;

    pthread_mutex_lock(&t->lock);
    for (struct gw_tap *tap = t->first; tap; tap = tap->next)
        full &= held(tap) + MISSED_ROOM + SHORT > BUFFER;
    for (struct gw_tap *tap = full ? t->first : NULL; tap; tap = tap->next)
        tap->missed++;
    pthread_mutex_unlock(&t->lock);
    return full;
}

static void give(struct gw_taps *t, const struct gw_buf *line)
{
    pthread_mutex_lock(&t->lock);
    for (struct gw_tap *tap = t->first; tap; tap = tap->next) {
        if (line->failed || held(tap) + MISSED_ROOM + line->len > BUFFER) {
            tap->missed++;
        } else {
            if (tap->missed)
                put_missed(tap, &tap->lines);
            gw_buf_put_str(&tap->lines, gw_buf_str(line));
            assert(!tap->lines.failed);
        }
        wake(tap);
    }
    pthread_mutex_unlock(&t->lock);
}

static void put_member(struct gw_buf *b, const char *name, struct gw_str value)
{
    if (!value.p)
        return;
    gw_json_put_key(b, 0, gw_str_of(name));
    gw_json_put_string(b, value);
}

/* What a hook said of where it goes. */
static void put_route(struct gw_buf *b, const struct gw_route *r)
{
    gw_buf_puts(b, ",\"route\":{");
    if (r->topic.p) {
        gw_json_put_key(b, 1, GW_STR("topic"));
        gw_json_put_string(b, r->topic);
    }
    if (r->key.p) {
        gw_json_put_key(b, !r->topic.p, GW_STR("key"));
        gw_json_put_string(b, r->key);
    }
    for (size_t i = 0; i < r->n_headers; i++) {
        if (!i) {
            gw_json_put_key(b, !r->topic.p && !r->key.p, GW_STR("headers"));
            gw_buf_putc(b, '{');
        }
        gw_json_put_key(b, !i, r->headers[i].name);
        gw_json_put_string(b, r->headers[i].value);
    }
    gw_buf_puts(b, r->n_headers ? "}}" : "}");
}

/* Large data is left out of the event; the line has its size and, of text, its start. */
static void put_event(struct gw_buf *b, const struct gw_event *ev)
{
    struct gw_event small = *ev;

    if (ev->data.len > DATA_MAX) {
        small.data_kind = GW_DATA_NONE;
        small.data = (struct gw_str){0};
        gw_buf_puts(b, ",\"data_cut\":{\"bytes\":");
        gw_buf_put_u64(b, ev->data.len);
        if (ev->data_kind == GW_DATA_TEXT || ev->data_kind == GW_DATA_JSON)
            put_member(b, "start", (struct gw_str){ev->data.p, DATA_START});
        gw_buf_putc(b, '}');
    }
    gw_buf_puts(b, ",\"event\":");
    gw_event_json_put(b, &small);
}

void gw_tap_tell(struct gw_pipeline *p, const struct gw_tap_line *l)
{
    const char *kind = l->kind < GW_KINDS ? gw_kind_names[l->kind] : "other";
    char when[GW_TIME_TEXT];
    struct gw_buf b;

    if (all_full(p->taps))
        return;
    gw_buf_init(&b, LINE_MAX_, NULL);
    gw_buf_puts(&b, "{\"time\":");
    gw_json_put_string(
        &b, (struct gw_str){when, gw_time_format(gw_time_of_ns(gw_clock_wall_ns()), when)});
    put_member(&b, "pipeline", gw_str_of(p->conf->name));
    put_member(&b, "outcome", gw_str_of(l->outcome));
    put_member(&b, "reason", gw_str_of(l->reason));
    put_member(&b, "error", l->error);
    put_member(&b, "key", l->key);
    if (l->at.stream) {
        gw_buf_puts(&b, ",\"stream\":");
        gw_buf_put_u64(&b, l->at.stream);
    }
    gw_buf_puts(&b, ",\"seq\":");
    gw_buf_put_u64(&b, l->at.offset);
    put_member(&b, "kind", gw_str_of(kind));
    if (l->event && l->event->route)
        put_route(&b, l->event->route);
    if (l->event)
        put_event(&b, l->event);
    gw_buf_puts(&b, "}\n");
    give(p->taps, &b);
    gw_buf_free(&b);
}

/* ---- what the workers say ---- */

static struct gw_tap_line line_of(const struct gw_item *it, const char *outcome)
{
    return (struct gw_tap_line){.outcome = outcome,
                                .key = it->rec.damaged ? (struct gw_str){0} : it->rec.key,
                                .at = it->rec.at,
                                .kind = it->rec.kind,
                                .event = it->event};
}

/* Of a dead letter the event that failed, of a record that was published each one. */
void gw_tap_ended(struct gw_pipeline *p, const struct gw_item *it, const char *reason)
{
    struct gw_tap_line l = line_of(it, it->end == GW_FILTERED ? "filtered" : "dead_letter");

    l.reason = reason;
    if (it->end == GW_PUBLISHED) {
        l.outcome = "published";
        for (size_t i = 0; i < it->n_outs; i++) {
            l.event = it->outs[i].event;
            gw_tap_tell(p, &l);
        }
        return;
    }
    if (it->end == GW_DEAD) {
        l.reason = it->dead->reason;
        l.error = it->dead->error;
        for (size_t i = 0; i < it->n_outs; i++)
            if (gw_str_eq(it->outs[i].m.event_id, it->dead->event_id))
                l.event = it->outs[i].event;
    }
    gw_tap_tell(p, &l);
}

void gw_tap_again(struct gw_pipeline *p, const struct gw_item *it, const struct gw_event *ev,
                  const char *why)
{
    struct gw_tap_line l = line_of(it, "try_again");

    l.reason = why;
    if (ev)
        l.event = ev;
    gw_tap_tell(p, &l);
}
