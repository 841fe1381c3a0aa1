#include "hook/table.h"

#include "base/text.h"
#include "hook/flat.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_MIN = 16 };

static _Atomic uint64_t ids;

static void *grown(void *p, size_t n, size_t size)
{
    p = reallocarray(p, n, size);
    if (!p)
        abort();
    return p;
}

static uint32_t *slots_new(size_t n)
{
    uint32_t *slots = calloc(n, sizeof(*slots));

    if (!slots)
        abort();
    return slots;
}

struct gw_table *gw_table_new(size_t max)
{
    struct gw_table *t = calloc(1, sizeof(*t));

    if (!t)
        abort();
    t->holds = 1;
    t->id = 1 + atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed);
    t->max = max;
    gw_buf_init(&t->bytes, max, NULL);
    t->n_row_slots = t->n_column_slots = SLOTS_MIN;
    t->row_slots = slots_new(SLOTS_MIN);
    t->column_slots = slots_new(SLOTS_MIN);
    return t;
}

struct gw_table *gw_table_hold(struct gw_table *t)
{
    atomic_fetch_add_explicit(&t->holds, 1, memory_order_relaxed);
    return t;
}

void gw_table_drop(struct gw_table *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->holds, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < t->n_columns; i++)
        free(t->columns[i].name);
    gw_buf_free(&t->bytes);
    free(t->rows);
    free(t->columns);
    free(t->row_slots);
    free(t->column_slots);
    free(t);
}

size_t gw_table_size(const struct gw_table *t)
{
    return sizeof(*t) + t->bytes.cap + t->cap * sizeof(*t->rows) +
           (t->n_row_slots + t->n_column_slots) * sizeof(uint32_t) +
           t->n_columns * (sizeof(*t->columns) + 32);
}

void gw_table_trim(struct gw_table *t)
{
    if (t->bytes.len) {
        t->bytes.p = grown(t->bytes.p, t->bytes.len, 1);
        t->bytes.cap = t->bytes.len;
    }
    if (t->n) {
        t->rows = grown(t->rows, t->n, sizeof(*t->rows));
        t->cap = t->n;
    }
}

/* ---- columns ---- */

struct gw_str gw_table_name(const struct gw_table *t, int column)
{
    return (struct gw_str){t->columns[column].name, t->columns[column].len};
}

static uint32_t *column_slot(const struct gw_table *t, struct gw_str name)
{
    size_t i = gw_hash64_secret(name) & (t->n_column_slots - 1);

    while (t->column_slots[i] && !gw_str_eq(gw_table_name(t, (int)t->column_slots[i] - 1), name))
        i = (i + 1) & (t->n_column_slots - 1);
    return &t->column_slots[i];
}

static void more_column_slots(struct gw_table *t)
{
    free(t->column_slots);
    t->n_column_slots *= 2;
    t->column_slots = slots_new(t->n_column_slots);
    for (size_t i = 0; i < t->n_columns; i++)
        *column_slot(t, gw_table_name(t, (int)i)) = (uint32_t)i + 1;
}

int gw_table_column(struct gw_table *t, struct gw_str name)
{
    uint32_t *slot = column_slot(t, name);
    struct gw_table_column *c;

    if (*slot)
        return (int)*slot - 1;
    if (t->n_columns == GW_TABLE_COLUMNS)
        return -1;
    t->columns = grown(t->columns, t->n_columns + 1, sizeof(*t->columns));
    c = &t->columns[t->n_columns++];
    c->name = grown(NULL, name.len + 1, 1);
    c->len = name.len;
    memcpy(c->name, name.p, name.len);
    c->name[name.len] = '\0';
    *slot = (uint32_t)t->n_columns;
    if (2 * t->n_columns > t->n_column_slots)
        more_column_slots(t);
    return (int)t->n_columns - 1;
}

/* ---- rows ---- */

static struct gw_str at(const struct gw_table *t, size_t place)
{
    return (struct gw_str){t->bytes.p + place, t->bytes.len - place};
}

struct gw_str gw_table_key(const struct gw_table *t, size_t row)
{
    struct gw_str s = at(t, t->rows[row].key);

    return gw_flat_take_str(&s);
}

static uint32_t *row_slot(const struct gw_table *t, struct gw_str key)
{
    size_t i = gw_hash64_secret(key) & (t->n_row_slots - 1);

    while (t->row_slots[i] && !gw_str_eq(gw_table_key(t, t->row_slots[i] - 1), key))
        i = (i + 1) & (t->n_row_slots - 1);
    return &t->row_slots[i];
}

static void more_row_slots(struct gw_table *t)
{
    free(t->row_slots);
    t->n_row_slots *= 2;
    t->row_slots = slots_new(t->n_row_slots);
    for (size_t i = 0; i < t->n; i++)
        *row_slot(t, gw_table_key(t, i)) = (uint32_t)i + 1;
}

/* Where the cells of the row that is being made begin. */
static size_t begin(const struct gw_table *t)
{
    struct gw_str key;

    if (!t->n)
        return 0;
    key = gw_table_key(t, t->n - 1);
    return (size_t)(key.p + key.len - t->bytes.p);
}

void gw_table_cell(struct gw_table *t, int column)
{
    gw_flat_varint(&t->bytes, (uint64_t)column + 1);
}

int gw_table_row(struct gw_table *t, struct gw_str key, int line, size_t *at_row)
{
    const size_t cells = begin(t);
    uint32_t *slot = row_slot(t, key);

    if (*slot) {
        *at_row = *slot - 1;
        return 1;
    }
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : SLOTS_MIN;
        t->rows = grown(t->rows, t->cap, sizeof(*t->rows));
    }
    gw_flat_varint(&t->bytes, 0);
    t->rows[t->n] = (struct gw_table_row){cells, t->bytes.len, line};
    gw_flat_str(&t->bytes, key);
    if (t->bytes.failed || gw_table_size(t) > t->max || t->n == INT32_MAX / 4)
        return -1;
    *slot = (uint32_t)++t->n;
    if (2 * t->n > t->n_row_slots)
        more_row_slots(t);
    return 0;
}

int64_t gw_table_find(const struct gw_table *t, struct gw_str key)
{
    return (int64_t)*row_slot(t, key) - 1;
}

/* ---- cells ---- */

struct gw_str gw_table_cells(const struct gw_table *t, size_t row)
{
    return at(t, t->rows[row].cells);
}

int gw_table_next(const struct gw_table *t, struct gw_str *cells, struct gw_str *value)
{
    const int column = (int)gw_flat_take_varint(cells) - 1;

    (void)t;
    if (column < 0)
        return -1;
    *value = *cells;
    gw_flat_skip(cells);
    value->len -= cells->len;
    return column;
}

struct gw_str gw_table_value(const struct gw_table *t, size_t row, struct gw_str name,
                             size_t *passed)
{
    const int wanted = (int)*column_slot(t, name) - 1;
    struct gw_str cells = gw_table_cells(t, row), value;
    int column;

    *passed = 0;
    if (wanted < 0)
        return (struct gw_str){0};
    while ((column = gw_table_next(t, &cells, &value)) >= 0 && column != wanted)
        ++*passed;
    return column < 0 ? (struct gw_str){0} : value;
}
