/* The pull reader: a small state machine over the text; a bit a level says object or array. */
#include "base/json.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json_scan.h"
#include "base/text.h"

/* What may come next. */
enum state { VALUE, FIRST_KEY, AFTER_KEY, FIRST_ELEMENT, AFTER_VALUE };

void gw_json_init(struct gw_json *j, struct gw_str text, unsigned max_depth)
{
    *j =
        (struct gw_json){.start = text.p,
                         .at = text.p,
                         .end = text.p + text.len,
                         .max_depth = max_depth < GW_JSON_MAX_DEPTH ? max_depth : GW_JSON_MAX_DEPTH,
                         .state = VALUE};
}

static enum gw_json_token fail(struct gw_json *j, const char *why)
{
    if (!j->why)
        j->why = why;
    return j->token = GW_JSON_ERROR;
}

static const char *past_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

/* Most tokens stand side by side. */
static inline void skip_space(struct gw_json *j)
{
    if (j->at < j->end && (unsigned char)*j->at <= ' ')
        j->at = past_space(j->at, j->end);
}

static int in_object(const struct gw_json *j)
{
    unsigned level = j->depth - 1;

    return (int)(j->is_object[level / 64] >> (level % 64) & 1);
}

static enum gw_json_token open(struct gw_json *j, int object)
{
    uint64_t bit = (uint64_t)1 << (j->depth % 64);

    if (j->depth == j->max_depth)
        return fail(j, "nested too deep");
    if (object)
        j->is_object[j->depth / 64] |= bit;
    else
        j->is_object[j->depth / 64] &= ~bit;
    j->depth++;
    j->at++;
    j->state = object ? FIRST_KEY : FIRST_ELEMENT;
    return j->token = object ? GW_JSON_OBJECT : GW_JSON_ARRAY;
}

static enum gw_json_token close(struct gw_json *j)
{
    int object = in_object(j);

    j->at++;
    j->depth--;
    j->state = AFTER_VALUE;
    return j->token = object ? GW_JSON_OBJECT_END : GW_JSON_ARRAY_END;
}

/* Behind a backslash. */
static int scan_escape(struct gw_json *j)
{
    j->escaped = 1;
    if (j->at == j->end)
        return -1;
    if (*j->at != 'u')
        return strchr("\"\\/bfnrt", *j->at) && *j->at ? (j->at++, 0) : -1;
    j->at++;
    for (int i = 0; i < 4; i++, j->at++)
        if (j->at == j->end || gw_hex_digit(*j->at) < 0)
            return -1;
    return 0;
}

/* To the closing quote, from the first byte that is not plain; -1 after fail. */
static int scan_odd(struct gw_json *j)
{
    for (;; j->at = gw_json_skip_plain(j->at, j->end)) {
        size_t n;

        if (j->at == j->end)
            return fail(j, "the string does not end");
        if (*j->at == '"')
            return 0;
        if (*j->at == '\\') {
            j->at++;
            if (scan_escape(j))
                return fail(j, "not an escape");
            continue;
        }
        if ((unsigned char)*j->at < 0x20)
            return fail(j, "a control character in a string");
        n = gw_utf8_step(j->at, (size_t)(j->end - j->at));
        if (!n)
            return fail(j, "not UTF-8");
        j->at += n;
    }
}

/* At the opening quote; -1 after fail. */
static int scan_string(struct gw_json *j)
{
    const char *from = j->at + 1;

    j->at = gw_json_skip_plain(from, j->end);
    j->escaped = 0;
    if ((j->at == j->end || *j->at != '"') && scan_odd(j))
        return -1;
    j->raw = (struct gw_str){from, (size_t)(j->at - from)};
    j->at++;
    return 0;
}

static int digits(struct gw_json *j)
{
    const char *from = j->at;

    while (j->at < j->end && *j->at >= '0' && *j->at <= '9')
        j->at++;
    return j->at > from ? 0 : -1;
}

static int one_of(struct gw_json *j, char a, char b)
{
    if (j->at == j->end || (*j->at != a && *j->at != b))
        return 0;
    j->at++;
    return 1;
}

static enum gw_json_token scan_number(struct gw_json *j)
{
    const char *from = j->at;

    one_of(j, '-', '-');
    if (!one_of(j, '0', '0') && digits(j))
        return fail(j, "not a number");
    if (one_of(j, '.', '.') && digits(j))
        return fail(j, "not a number");
    if (one_of(j, 'e', 'E')) {
        one_of(j, '+', '-');
        if (digits(j))
            return fail(j, "not a number");
    }
    j->raw = (struct gw_str){from, (size_t)(j->at - from)};
    return j->token = GW_JSON_NUMBER;
}

static enum gw_json_token word(struct gw_json *j, const char *text, enum gw_json_token token)
{
    size_t n = strlen(text);

    if ((size_t)(j->end - j->at) < n || memcmp(j->at, text, n) != 0)
        return fail(j, "not a JSON value");
    j->raw = (struct gw_str){j->at, n};
    j->at += n;
    return j->token = token;
}

static enum gw_json_token value(struct gw_json *j)
{
    if (j->at == j->end)
        return fail(j, "a value is missing");
    if (*j->at == '"') {
        j->state = AFTER_VALUE;
        return scan_string(j) ? GW_JSON_ERROR : (j->token = GW_JSON_STRING);
    }
    if (*j->at == '{' || *j->at == '[')
        return open(j, *j->at == '{');
    j->state = AFTER_VALUE;
    switch (*j->at) {
    case 't':
        return word(j, "true", GW_JSON_TRUE);
    case 'f':
        return word(j, "false", GW_JSON_FALSE);
    case 'n':
        return word(j, "null", GW_JSON_NULL);
    default:
        if (*j->at != '-' && (*j->at < '0' || *j->at > '9'))
            return fail(j, "not a JSON value");
        return scan_number(j);
    }
}

static enum gw_json_token key(struct gw_json *j)
{
    if (j->at == j->end || *j->at != '"')
        return fail(j, "a member's name is missing");
    if (scan_string(j))
        return GW_JSON_ERROR;
    j->state = AFTER_KEY;
    return j->token = GW_JSON_KEY;
}

static enum gw_json_token after_value(struct gw_json *j)
{
    int object;

    if (j->depth == 0)
        return j->at == j->end ? (j->token = GW_JSON_END) : fail(j, "text after the value");
    object = in_object(j);
    if (j->at == j->end)
        return fail(j, object ? "the object does not end" : "the array does not end");
    if (*j->at == (object ? '}' : ']'))
        return close(j);
    if (*j->at != ',')
        return fail(j, object ? "expected , or }" : "expected , or ]");
    j->at++;
    skip_space(j);
    return object ? key(j) : value(j);
}

enum gw_json_token gw_json_next(struct gw_json *j)
{
    if (j->token == GW_JSON_ERROR)
        return GW_JSON_ERROR;
    skip_space(j);
    switch ((enum state)j->state) {
    case FIRST_KEY:
        return j->at < j->end && *j->at == '}' ? close(j) : key(j);
    case FIRST_ELEMENT:
        return j->at < j->end && *j->at == ']' ? close(j) : value(j);
    case AFTER_KEY:
        if (j->at == j->end || *j->at != ':')
            return fail(j, "expected :");
        j->at++;
        skip_space(j);
        return value(j);
    case AFTER_VALUE:
        return after_value(j);
    case VALUE:
        break;
    }
    return value(j);
}

int gw_json_value(struct gw_json *j, struct gw_str *raw)
{
    const char *from;
    unsigned depth;

    if (j->token == GW_JSON_KEY && gw_json_next(j) == GW_JSON_ERROR)
        return -1;
    from = j->raw.p;
    if (j->token == GW_JSON_STRING)
        from--;
    if (j->token == GW_JSON_OBJECT || j->token == GW_JSON_ARRAY) {
        from = j->at - 1;
        depth = j->depth;
        while (j->depth >= depth)
            if (gw_json_next(j) == GW_JSON_ERROR)
                return -1;
    }
    *raw = (struct gw_str){from, (size_t)(j->at - from)};
    return 0;
}

static unsigned hex4(const char *p)
{
    unsigned v = 0;

    for (int i = 0; i < 4; i++)
        v = v << 4 | (unsigned)gw_hex_digit(p[i]);
    return v;
}

/* At the u of an escape; moves behind it, and behind a low surrogate that belongs to it. */
static uint32_t code_point(const char **p, const char *end)
{
    unsigned c = hex4(*p + 1), low;

    *p += 5;
    if (c < 0xd800 || c > 0xdfff)
        return c;
    if (c >= 0xdc00 || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
        return 0xfffd;
    low = hex4(*p + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return 0xfffd;
    *p += 6;
    return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

/* Behind a backslash; moves behind the escape. */
static void put_escaped(struct gw_buf *out, const char **p, const char *end)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *name;

    if (**p == 'u') {
        gw_utf8_put(out, code_point(p, end));
        return;
    }
    name = strchr(from, **p);
    gw_buf_put(out, name ? to + (name - from) : *p, 1);
    ++*p;
}

static void unescape(struct gw_buf *out, struct gw_str raw)
{
    const char *p = raw.p, *end = raw.p + raw.len;

    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));

        gw_buf_put(out, p, (size_t)((slash ? slash : end) - p));
        if (!slash)
            return;
        p = slash + 1;
        put_escaped(out, &p, end);
    }
}

const char *gw_json_lone_surrogate(const struct gw_json *j)
{
    const char *p = j->raw.p, *end = p + j->raw.len;

    while (j->escaped && p < end && (p = memchr(p, '\\', (size_t)(end - p)))) {
        const char *escape = p++;
        int written = *p == 'u' && hex4(p + 1) == 0xfffd;

        if (*p != 'u')
            p++;
        else if (code_point(&p, end) == 0xfffd && !written)
            return escape;
    }
    return NULL;
}

struct gw_str gw_json_unescape(struct gw_str raw, struct gw_arena *mem)
{
    struct gw_buf out;

    if (!raw.len || !memchr(raw.p, '\\', raw.len))
        return raw;
    gw_buf_init(&out, raw.len, mem); /* an escape is never shorter than what it stands for */
    unescape(&out, raw);
    return gw_buf_str(&out);
}

struct gw_str gw_json_string(const struct gw_json *j, struct gw_arena *mem)
{
    return j->escaped ? gw_json_unescape(j->raw, mem) : j->raw;
}

/* *s begins with these bytes; moves behind them. */
static int take(struct gw_str *s, const char *p, size_t len)
{
    if (s->len < len || memcmp(s->p, p, len) != 0)
        return 0;
    *s = (struct gw_str){s->p + len, s->len - len};
    return 1;
}

int gw_json_raw_is(struct gw_str raw, struct gw_str s)
{
    const char *p = raw.p, *end = raw.p + raw.len;

    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        char small[4];
        struct gw_buf one = {.p = small, .cap = sizeof(small), .max = sizeof(small)};

        if (!take(&s, p, (size_t)((slash ? slash : end) - p)))
            return 0;
        if (!slash)
            break;
        p = slash + 1;
        put_escaped(&one, &p, end);
        if (!take(&s, small, one.len))
            return 0;
    }
    return s.len == 0;
}

void gw_json_place(const struct gw_json *j, const char *at, int *line, int *column)
{
    *line = *column = 1;
    for (const char *p = j->start; p < at; p++) {
        *column = *p == '\n' ? 1 : *column + 1;
        *line += *p == '\n';
    }
}

int gw_json_error(const struct gw_json *j, struct gw_err *err)
{
    int line, column;

    gw_json_place(j, j->at, &line, &column);
    return gw_err_set(err, GW_ERR_REJECT, "JSON: line %d, column %d: %s", line, column,
                      j->why ? j->why : "unexpected token");
}

int gw_json_is_text(struct gw_str text, unsigned max_depth)
{
    struct gw_str all;
    struct gw_json j;

    gw_json_init(&j, text, max_depth);
    return gw_json_next(&j) > GW_JSON_END && !gw_json_value(&j, &all) &&
           gw_json_next(&j) == GW_JSON_END;
}
