/* Messages that cannot be kept as records: dead letters of `ingest`, durable before their offset is
 * committed. While there is no room for one its partition waits. */
#include "ingest/kafka.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/metrics.h"

#include <stdlib.h>

enum { QUIET_MS = 10000, QUIET_FULL_MS = 60000 };

static void end(struct gw_kafka_letter *l, int durable)
{
    l->taken->part->blocked -= l->blocks;
    gw_kafka_done(l->taken, durable);
    gw_arena_free(l->mem); /* it is in there */
}

static void refused(struct gw_kafka_letter *l)
{
    struct gw_kafka_part *p = l->taken->part;
    struct gw_kafka_in *k = p->in;

    if (p->gone || p->leaving) {
        end(l, 0);
        return;
    }
    k->bytes -= l->taken->bytes; /* others go on */
    l->taken->bytes = 0;
    l->next = NULL;
    *k->last_refused = l;
    k->last_refused = &l->next;
    p->blocked += !l->blocks;
    l->blocks = 1;
    gw_kafka_in_pause(p, 1);
    if (gw_diag_allow(&k->quiet_full, QUIET_FULL_MS))
        GW_DIAG(GW_WARN, k->base.ops->component,
                gw_msg("the dead letters of ingest are full: partitions with messages that cannot "
                       "be read wait (moongate dead drop --pipeline ingest)"),
                gw_kv_cstr("topic", p->topic), gw_kv_int("partition", p->partition));
}

static void kept(struct gw_kafka_letter *l)
{
    struct gw_kafka_in *k = l->taken->part->in;
    uint64_t n;

    gw_front_reject(k->base.front, k->base.ops->way, l->reason);
    gw_count(k->dead[l->reason], 1);
    n = gw_diag_allow(&k->quiet_letter, QUIET_MS);
    if (n)
        GW_DIAG(GW_WARN, k->base.ops->component,
                gw_msg("a message is put aside as a dead letter of ingest"),
                gw_kv_cstr("reason", l->d.reason), gw_kv_str("error", l->d.error),
                gw_kv_int("suppressed", (int64_t)n - 1));
    end(l, 1);
}

static void on_added(struct gw_mail *m)
{
    struct gw_kafka_letter *l = GW_CONTAINER(m, struct gw_kafka_letter, add.mail);
    struct gw_kafka_in *k = l->taken->part->in;

    k->n_letters--;
    if (l->add.failed) {
        end(l, 0);
    } else if (l->add.refused) {
        refused(l);
    } else {
        kept(l);
    }
    gw_kafka_in_poke(k);
}

static void add(struct gw_kafka_letter *l)
{
    struct gw_kafka_in *k = l->taken->part->in;

    l->add = (struct gw_letter_add){.mail.fn = on_added, .reply = k->base.front->loop, .d = &l->d};
    k->n_letters++;
    gw_letter_add(k->base.front->log, &l->add);
}

void gw_kafka_letter_new(struct gw_kafka_taken *t, const struct gw_unread *u, enum gw_reason reason,
                         const struct gw_err *err)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_kafka_letter *l = gw_arena_zalloc(mem, sizeof(*l));

    l->mem = mem;
    l->taken = t;
    l->reason = reason;
    gw_unread_letter(mem, u, gw_unread_reason(err), err, &l->d);
    add(l);
}

static void unlink_refused(struct gw_kafka_in *k, struct gw_kafka_letter **at)
{
    *at = (*at)->next;
    if (!*at)
        k->last_refused = at;
}

void gw_kafka_letters_again(struct gw_kafka_in *k)
{
    struct gw_kafka_letter *list = k->refused;

    k->refused = NULL;
    k->last_refused = &k->refused;
    while (list) {
        struct gw_kafka_letter *l = list;

        list = l->next;
        add(l);
    }
}

void gw_kafka_letters_forget(struct gw_kafka_in *k, const struct gw_kafka_part *p)
{
    struct gw_kafka_letter **at = &k->refused;

    while (*at) {
        struct gw_kafka_letter *l = *at;

        if (l->taken->part != p) {
            at = &l->next;
            continue;
        }
        unlink_refused(k, at);
        end(l, 0);
    }
}
