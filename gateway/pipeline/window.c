#include "pipeline/window.h"

#include "base/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SPARES = 256 }; /* items and arenas kept for the next records */

/* A key whose first item is held. Most keys have none: hooks return at once. */
struct gw_window_key {
    struct gw_item *holder, *last; /* the waiting ones hang behind the holder */
};

static void *checked(void *p)
{
    if (!p)
        abort();
    return p;
}

void gw_window_init(struct gw_window *w, uint64_t max_records, size_t max_bytes)
{
    *w = (struct gw_window){.max_records = max_records, .max_bytes = max_bytes};
    w->words = (size_t)(max_records / 64 + 1);
    w->ended = checked(calloc(w->words, sizeof(*w->ended)));
}

static void destroy(struct gw_item *it)
{
    gw_arena_free(it->mem);
    free(it);
}

static void destroy_all(struct gw_item *it)
{
    while (it) {
        struct gw_item *next = it->next;

        destroy(it);
        it = next;
    }
}

static void unlink_item(struct gw_window *w, struct gw_item *it)
{
    *(it->prev ? &it->prev->next : &w->items) = it->next;
    if (it->next)
        it->next->prev = it->prev;
    else
        w->oldest = it->prev;
    it->prev = it->next = NULL;
    w->n_items--;
}

void gw_window_fini(struct gw_window *w)
{
    gw_keymap_free(&w->keys);
    destroy_all(w->items);
    destroy_all(w->spare_items);
    free(w->ended);
}

/* ---- W1, W5 ---- */

int gw_window_has_room(const struct gw_window *w)
{
    if (w->next == w->first && !w->bytes)
        return 1;
    return w->next - w->first < w->max_records && w->bytes < w->max_bytes;
}

static uint64_t *word_of(const struct gw_window *w, uint64_t number)
{
    return &w->ended[number / 64 % w->words];
}

static uint64_t bit_of(uint64_t number)
{
    return (uint64_t)1 << number % 64;
}

/* Moves `first` over what has ended. */
static void mark_ended(struct gw_window *w, uint64_t number)
{
    *word_of(w, number) |= bit_of(number);
    while (w->first < w->next && (*word_of(w, w->first) & bit_of(w->first))) {
        *word_of(w, w->first) &= ~bit_of(w->first);
        w->first++;
    }
}

void gw_window_pass(struct gw_window *w)
{
    mark_ended(w, w->next++);
}

struct gw_item *gw_window_add(struct gw_window *w)
{
    struct gw_item *it = w->spare_items;
    struct gw_arena *mem;

    if (it) {
        w->spare_items = it->next;
        w->n_spares--;
        mem = it->mem;
    } else {
        it = checked(malloc(sizeof(*it)));
        mem = gw_arena_new();
    }
    memset(it, 0, sizeof(*it));
    it->mem = mem;
    it->number = w->next++;
    it->next = w->items;
    if (it->next)
        it->next->prev = it;
    else
        w->oldest = it;
    w->items = it;
    w->n_items++;
    return it;
}

void gw_window_measure(struct gw_window *w, struct gw_item *it)
{
    const size_t now = gw_arena_size(it->mem);

    w->bytes += now - it->bytes;
    it->bytes = now;
}

void gw_window_renew(struct gw_window *w, struct gw_item *it)
{
    struct gw_arena *old = it->mem;
    const struct gw_record rec = it->rec;
    struct gw_err err;

    it->mem = gw_arena_new();
    if (gw_record_read(gw_arena_str(it->mem, rec.encoded), &it->rec, &err))
        abort(); /* it was read before */
    it->rec.at = rec.at;
    gw_arena_free(old);
    gw_window_measure(w, it);
}

void gw_window_end(struct gw_window *w, struct gw_item *it)
{
    assert(it->open == 0 && !it->held);
    unlink_item(w, it);
    mark_ended(w, it->number);
}

void gw_window_drop(struct gw_window *w, struct gw_item *it)
{
    assert(it->number == w->next - 1);
    w->next--;
    unlink_item(w, it);
    gw_window_free(w, it);
}

void gw_window_free(struct gw_window *w, struct gw_item *it)
{
    w->bytes -= it->bytes;
    it->bytes = 0;
    if (w->n_spares == SPARES) {
        destroy(it);
        return;
    }
    gw_arena_reset(it->mem);
    it->next = w->spare_items;
    w->spare_items = it;
    w->n_spares++;
}

/* ---- W3 ---- */

int gw_window_waits(struct gw_window *w, struct gw_item *it)
{
    struct gw_window_key *k = gw_keymap_get(&w->keys, it->rec.key_hash);

    if (!k)
        return 0;
    k->last->behind = it;
    k->last = it;
    return 1;
}

void gw_window_hold(struct gw_window *w, struct gw_item *it)
{
    struct gw_window_key *k;

    if (it->held)
        return;
    assert(!gw_keymap_get(&w->keys, it->rec.key_hash));
    it->held = 1;
    k = checked(malloc(sizeof(*k)));
    *k = (struct gw_window_key){.holder = it, .last = it};
    gw_keymap_add(&w->keys, it->rec.key_hash, k);
}

struct gw_item *gw_window_let_go(struct gw_window *w, struct gw_item *it)
{
    struct gw_window_key *k;

    if (!it->held)
        return NULL;
    k = gw_keymap_get(&w->keys, it->rec.key_hash);
    assert(k && k->holder == it);
    it->held = 0;
    k->holder = it->behind;
    it->behind = NULL;
    if (k->holder) {
        k->holder->held = 1;
        return k->holder;
    }
    gw_keymap_remove(&w->keys, it->rec.key_hash);
    free(k);
    return NULL;
}
