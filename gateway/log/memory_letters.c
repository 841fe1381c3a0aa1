/* Dead letters of a log in memory, a cursor's in the order of their numbers. All under the log's
 * lock. What both types agree on about room is here as well. */
#include "log/inside.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

struct gw_kept_letter {
    uint64_t number, position, bytes;
    uint32_t attempts;
    int64_t first_at_ns, last_at_ns;
    struct gw_str reason, event_id, error, record; /* their own memory */
};

const struct gw_dead_letter gw_letter_unsaid = {.reason = "rejected"};

int gw_letter_fits(const struct gw_cursor *c, const struct gw_letter_room *room,
                   const struct gw_dead_letter *d)
{
    return room->bytes == 0 || room->bytes + gw_letter_bytes(d) <= (uint64_t)c->max_letter_bytes;
}

static struct gw_str keep(struct gw_str s)
{
    char *p;

    if (!s.p)
        return s;
    p = malloc(s.len + 1);
    if (!p)
        abort();
    memcpy(p, s.p, s.len);
    p[s.len] = '\0';
    return (struct gw_str){p, s.len};
}

static void drop(struct gw_str s)
{
    free((char *)s.p);
}

static void free_letter(struct gw_kept_letter *k)
{
    drop(k->reason);
    drop(k->event_id);
    drop(k->error);
    drop(k->record);
    free(k);
}

void gw_kept_add(struct gw_cursor *c, uint64_t position, const struct gw_dead_letter *d)
{
    struct gw_kept_letter *k = malloc(sizeof(*k));

    if (c->n_kept == c->room_kept) {
        c->room_kept = c->room_kept ? 2 * c->room_kept : 16;
        c->kept = realloc(c->kept, c->room_kept * sizeof(struct gw_kept_letter *));
    }
    if (!k || !c->kept)
        abort();
    *k = (struct gw_kept_letter){.number = c->letters.next++,
                                 .position = position,
                                 .bytes = gw_letter_bytes(d),
                                 .attempts = d->attempts,
                                 .first_at_ns = d->first_at_ns,
                                 .last_at_ns = d->last_at_ns,
                                 .reason = keep(gw_str_of(d->reason)),
                                 .event_id = keep(d->event_id),
                                 .error = keep(d->error),
                                 .record = keep(d->record)};
    c->letters.bytes += k->bytes;
    c->kept[c->n_kept++] = k;
}

/* The index of the first whose number is above after. */
static size_t above(const struct gw_cursor *c, uint64_t after)
{
    size_t low = 0, high = c->n_kept;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (c->kept[mid]->number <= after)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct gw_kept_letter *gw_kept_find(const struct gw_cursor *c, uint64_t after, uint64_t upto)
{
    size_t i = above(c, after);

    return i < c->n_kept && c->kept[i]->number <= upto ? c->kept[i] : NULL;
}

static void note_again(struct gw_cursor *c, struct gw_kept_letter *k,
                       const struct gw_dead_letter *d)
{
    c->letters.bytes += d->error.len - k->error.len;
    k->bytes += d->error.len - k->error.len;
    drop(k->reason);
    drop(k->error);
    k->reason = keep(gw_str_of(d->reason));
    k->error = keep(d->error);
    k->last_at_ns = d->last_at_ns;
    k->attempts += d->attempts;
}

void gw_kept_change(struct gw_log *log, struct gw_letter_change *change)
{
    struct gw_cursor *c = gw_letters_find(log, change->pipeline);
    size_t i = c && change->number ? above(c, change->number - 1) : 0;

    if (!c || i == c->n_kept || c->kept[i]->number != change->number)
        return;
    change->found = 1;
    if (change->again) {
        note_again(c, c->kept[i], change->again);
        return;
    }
    c->letters.bytes -= c->kept[i]->bytes;
    free_letter(c->kept[i]);
    c->n_kept--;
    memmove(c->kept + i, c->kept + i + 1, (c->n_kept - i) * sizeof(struct gw_kept_letter *));
}

void gw_kept_expire(struct gw_cursor *c, int64_t now_ns)
{
    int64_t keep_ms = c->keep_letters_ms, before_ns = now_ns - keep_ms * 1000000;
    size_t n = 0;

    for (size_t i = 0; i < c->n_kept && keep_ms > 0; i++) {
        struct gw_kept_letter *k = c->kept[i];

        if (k->last_at_ns >= before_ns) {
            c->kept[n++] = k;
            continue;
        }
        c->letters.bytes -= k->bytes;
        free_letter(k);
    }
    if (keep_ms > 0)
        c->n_kept = n;
}

void gw_kept_copy(const struct gw_kept_letter *k, int whole, struct gw_arena *mem,
                  struct gw_letter *out)
{
    out->number = k->number;
    out->at = (struct gw_position){0, k->position};
    out->d = (struct gw_dead_letter){.reason = gw_arena_str(mem, k->reason).p,
                                     .event_id = gw_arena_str(mem, k->event_id),
                                     .error = gw_arena_str(mem, k->error),
                                     .attempts = k->attempts,
                                     .first_at_ns = k->first_at_ns,
                                     .last_at_ns = k->last_at_ns};
    if (whole)
        out->d.record = gw_arena_str(mem, k->record);
}

void gw_kept_free(struct gw_cursor *c)
{
    for (size_t i = 0; i < c->n_kept; i++)
        free_letter(c->kept[i]);
    free(c->kept);
    c->kept = NULL;
    c->n_kept = c->room_kept = 0;
}
