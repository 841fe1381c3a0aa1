#include "base/csv.h"

#include "base/arena.h"

void gw_csv_init(struct gw_csv *c, struct gw_str text)
{
    static const char mark[] = "\xef\xbb\xbf";
    const size_t len = sizeof(mark) - 1;
    const int marked = text.len >= len && !memcmp(text.p, mark, len);

    *c = (struct gw_csv){.at = text.p + (marked ? len : 0),
                         .end = text.p + text.len,
                         .line = 1,
                         .next_line = 1,
                         .begins = 1};
}

static enum gw_csv_token fail(struct gw_csv *c, const char *why)
{
    c->why = why;
    c->at = c->end;
    return GW_CSV_ERROR;
}

/* The bytes of a line break here; 0: none. */
static size_t line_break(const struct gw_csv *c)
{
    if (c->at == c->end)
        return 0;
    if (*c->at == '\n')
        return 1;
    return *c->at == '\r' && c->end - c->at > 1 && c->at[1] == '\n' ? 2 : 0;
}

static int is_control(char ch)
{
    return ((unsigned char)ch < 0x20 && ch != '\t') || ch == 0x7f;
}

/* Behind the opening quote. */
static enum gw_csv_token quoted(struct gw_csv *c)
{
    const char *start = c->at;

    for (; c->at < c->end; c->at++) {
        if (*c->at == '"') {
            if (c->end - c->at < 2 || c->at[1] != '"')
                break;
            c->doubled = 1;
            c->at++;
        } else if (*c->at == '\n') {
            c->next_line++;
        } else if (is_control(*c->at) && *c->at != '\r') {
            return fail(c, "a control character in a cell");
        }
    }
    if (c->at == c->end)
        return fail(c, "a quote that is never closed");
    c->raw = (struct gw_str){start, (size_t)(c->at - start)};
    c->at++;
    if (c->at < c->end && *c->at != ',' && !line_break(c))
        return fail(c, "text behind a closing quote (a quote inside a cell is written twice)");
    return GW_CSV_CELL;
}

static enum gw_csv_token plain(struct gw_csv *c)
{
    const char *start = c->at;

    for (; c->at < c->end && *c->at != ','; c->at++) {
        if (*c->at == '"')
            return fail(c, "a quote inside a cell that does not begin with one");
        if (line_break(c))
            break;
        if (*c->at == '\r')
            return fail(c, "a carriage return without a line feed");
        if (is_control(*c->at))
            return fail(c, "a control character in a cell");
    }
    c->raw = (struct gw_str){start, (size_t)(c->at - start)};
    return GW_CSV_CELL;
}

static enum gw_csv_token cell(struct gw_csv *c)
{
    c->begins = 0;
    c->doubled = 0;
    c->line = c->next_line;
    if (c->at == c->end || *c->at != '"')
        return plain(c);
    c->at++;
    return quoted(c);
}

static void skip_empty_lines(struct gw_csv *c)
{
    for (size_t n; (n = line_break(c)); c->at += n)
        c->next_line++;
}

static enum gw_csv_token next(struct gw_csv *c)
{
    if (c->begins) {
        skip_empty_lines(c);
        return c->at == c->end ? GW_CSV_END : cell(c);
    }
    if (c->at < c->end && *c->at == ',') {
        c->at++;
        return cell(c);
    }
    c->begins = 1;
    c->line = c->next_line;
    return GW_CSV_ROW; /* its line break is an empty line to the next */
}

enum gw_csv_token gw_csv_next(struct gw_csv *c)
{
    if (c->token != GW_CSV_ERROR)
        c->token = next(c);
    return c->token;
}

struct gw_str gw_csv_cell(const struct gw_csv *c, struct gw_arena *mem)
{
    struct gw_str s = c->raw;
    char *out;
    size_t n = 0;

    if (!c->doubled)
        return s;
    out = gw_arena_alloc(mem, s.len);
    for (size_t i = 0; i < s.len; i++) {
        out[n++] = s.p[i];
        i += s.p[i] == '"';
    }
    return (struct gw_str){out, n};
}

const char *gw_csv_why(const struct gw_csv *c)
{
    return c->why;
}
