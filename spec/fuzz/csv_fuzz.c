/* Any text: the CSV reader ends, what it read can be written and read again, and a lookup made of
 * it, or of it as JSON or YAML, is whole or told with its line. The first byte says as what. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/csv.h"
#include "base/err.h"
#include "hook/flat.h"
#include "hook/table.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void put_cell(struct gw_buf *b, struct gw_str cell)
{
    gw_buf_putc(b, '"');
    for (size_t i = 0; i < cell.len; i++) {
        if (cell.p[i] == '"')
            gw_buf_putc(b, '"');
        gw_buf_putc(b, cell.p[i]);
    }
    gw_buf_putc(b, '"');
}

/* The cells as they were read, each in quotes. 0: it is no CSV. */
static int rewrite(struct gw_str text, struct gw_buf *out, struct gw_arena *mem)
{
    struct gw_csv c;
    int first = 1;

    gw_csv_init(&c, text);
    while (gw_csv_next(&c) > GW_CSV_END) {
        assert(c.line >= 1);
        if (c.token == GW_CSV_CELL) {
            if (!first)
                gw_buf_putc(out, ',');
            put_cell(out, gw_csv_cell(&c, mem));
        } else {
            assert(!first);
            gw_buf_puts(out, "\r\n");
        }
        first = c.token == GW_CSV_ROW;
    }
    assert(c.token == GW_CSV_END || *gw_csv_why(&c));
    return c.token == GW_CSV_END;
}

static void check_csv(struct gw_str text, struct gw_arena *mem)
{
    struct gw_buf once, again;

    gw_buf_init(&once, SIZE_MAX / 2, mem);
    gw_buf_init(&again, SIZE_MAX / 2, mem);
    if (!rewrite(text, &once, mem))
        return;
    assert(rewrite(gw_buf_str(&once), &again, mem));
    assert(gw_str_eq(gw_buf_str(&once), gw_buf_str(&again)));
}

/* Every row is found by its key, every cell by its column. */
static void check_table(const struct gw_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        struct gw_str cells = gw_table_cells(t, i), value;
        size_t passed;
        int column;

        assert(gw_table_find(t, gw_table_key(t, i)) == (int64_t)i);
        while ((column = gw_table_next(t, &cells, &value)) >= 0) {
            struct gw_str found = gw_table_value(t, i, gw_table_name(t, column), &passed);

            assert(value.len && found.p && found.len == value.len);
            gw_flat_skip(&found);
            assert(!found.len);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"t.csv", "t.json", "t.yaml"};
    struct gw_arena *mem = gw_arena_new();
    struct gw_table *t;
    struct gw_str text;
    struct gw_err err;

    if (size) {
        text = (struct gw_str){gw_arena_strndup(mem, (const char *)data + 1, size - 1), size - 1};
        check_csv(text, mem);
        t = gw_table_read(names[*data % 3], text, *data & 0x80 ? NULL : "k", 1 << 20, &err);
        assert(t || strtol(err.msg, NULL, 10) >= 1);
        if (t)
            check_table(t);
        gw_table_drop(t);
    }
    gw_arena_free(mem);
    return 0;
}
