#include "base/csv.h"

#include "base/arena.h"
#include "base/buf.h"
#include "test.h"

#include <string.h>

/* The text as [a][b] a line; what is wrong as LINE: why. */
static const char *rows(struct gw_str text)
{
    static char out[4096];
    struct gw_arena *mem = gw_arena_new();
    struct gw_buf b;
    struct gw_csv c;

    gw_buf_init(&b, sizeof(out) - 1, mem);
    gw_csv_init(&c, text);
    while (gw_csv_next(&c) > GW_CSV_END) {
        const struct gw_str cell = c.token == GW_CSV_CELL ? gw_csv_cell(&c, mem) : GW_STR("");

        if (c.token == GW_CSV_CELL)
            gw_buf_printf(&b, "[%.*s]", (int)cell.len, cell.p);
        else
            gw_buf_printf(&b, "|%d ", c.line);
    }
    if (c.token == GW_CSV_ERROR)
        gw_buf_printf(&b, "%d: %s", c.line, gw_csv_why(&c));
    CHECK(gw_csv_next(&c) == (c.token == GW_CSV_ERROR ? GW_CSV_ERROR : GW_CSV_END));
    CHECK(!b.failed);
    memcpy(out, b.p ? b.p : "", b.len);
    out[b.len] = '\0';
    gw_arena_free(mem);
    return out;
}

static int is(const char *text, const char *wanted)
{
    const char *got = rows(gw_str_of(text));

    if (strcmp(got, wanted) != 0)
        fprintf(stderr, "%s\n", got);
    return !strcmp(got, wanted);
}

TEST(test_csv_rows_and_cells)
{
    CHECK(is("", ""));
    CHECK(is("a", "[a]|1 "));
    CHECK(is("a,b\n", "[a][b]|1 "));
    CHECK(is("a,b\r\nc,d\r\n", "[a][b]|1 [c][d]|2 "));
    CHECK(is("a,b\nc,d", "[a][b]|1 [c][d]|2 "));
    CHECK(is(",\n", "[][]|1 "));
    CHECK(is("a,", "[a][]|1 "));
    CHECK(is(" a , b\t", "[ a ][ b\t]|1 "));
    CHECK(is("\xef\xbb\xbf"
             "a\n",
             "[a]|1 "));
    CHECK(is("\xc3\xa4,\xe2\x82\xac\n", "[\xc3\xa4][\xe2\x82\xac]|1 "));
}

TEST(test_csv_empty_lines_are_left_out)
{
    CHECK(is("\n\r\na\n\n\nb\n\n", "[a]|3 [b]|6 "));
    CHECK(is("\n", ""));
    CHECK(is("\"\"\n", "[]|1 "));
}

TEST(test_csv_quotes_hold_anything)
{
    CHECK(is("\"a,b\",c\n", "[a,b][c]|1 "));
    CHECK(is("\"a\nb\r\nc\",d\ne\n", "[a\nb\r\nc][d]|3 [e]|4 "));
    CHECK(is("\"a\"\"b\"\"\",\"\"\"\"\n", "[a\"b\"][\"]|1 "));
    CHECK(is("\"a\"", "[a]|1 "));
    CHECK(is("\"\xef\xbb\xbf\"", "[\xef\xbb\xbf]|1 "));
}

TEST(test_csv_that_is_none_is_told_by_line)
{
    CHECK(is("a\n\"b\nc", "[a]|1 2: a quote that is never closed"));
    CHECK(is("a\n\"b\"\"", "[a]|1 2: a quote that is never closed"));
    CHECK(is("a\nb\"c\n", "[a]|1 2: a quote inside a cell that does not begin with one"));
    CHECK(
        is("\"a\"b\n", "1: text behind a closing quote (a quote inside a cell is written twice)"));
    CHECK(is("\"a\" ,b\n",
             "1: text behind a closing quote (a quote inside a cell is written twice)"));
    CHECK(is("a\rb\n", "1: a carriage return without a line feed"));
    CHECK(is("a\r", "1: a carriage return without a line feed"));
    CHECK(is("\x01", "1: a control character in a cell"));
    CHECK(is("\"\x7f\"", "1: a control character in a cell"));
    CHECK(!strcmp(rows((struct gw_str){"a,\0", 3}), "[a]1: a control character in a cell"));
}
