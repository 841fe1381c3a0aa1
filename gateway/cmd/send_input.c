#include "cmd/send.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/time.h"

#include <errno.h>
#include <stdio.h>

enum { MAX_FILE = 1024 * 1024 * 1024, PIECE = 64 * 1024, MAX_DEPTH = 200 };

static struct gw_send_item *add(struct gw_arena *mem, struct gw_send_items *list)
{
    struct gw_send_item *more;

    if (list->n == list->room) {
        list->room = list->room ? 2 * list->room : 64;
        more = gw_arena_alloc(mem, list->room * sizeof(*more));
        if (list->n > 0)
            memcpy(more, list->items, list->n * sizeof(*more));
        list->items = more;
    }
    list->items[list->n] = (struct gw_send_item){0};
    return &list->items[list->n++];
}

/* ---- files ---- */

static int read_all(struct gw_arena *mem, FILE *f, struct gw_str *out)
{
    struct gw_buf b;
    size_t n;

    gw_buf_init(&b, MAX_FILE, mem);
    do {
        char *p = gw_buf_room(&b, PIECE);

        n = p ? fread(p, 1, PIECE, f) : 0;
        if (n > 0)
            gw_buf_added(&b, n);
    } while (n > 0);
    *out = gw_buf_str(&b);
    return b.failed || ferror(f) ? -1 : 0;
}

int gw_send_file(struct gw_arena *mem, const char *path, struct gw_str *text, struct gw_err *err)
{
    FILE *f = !strcmp(path, "-") ? stdin : fopen(path, "rbe");
    int rc;

    if (!f)
        return gw_err_errno(err, GW_ERR_REJECT, "%s", path);
    errno = EFBIG;
    rc = read_all(mem, f, text);
    if (rc)
        gw_err_errno(err, GW_ERR_REJECT, "%s", path);
    if (f != stdin)
        fclose(f); /* NOLINT(cert-err33-c): only read */
    return rc;
}

int gw_send_read(struct gw_arena *mem, const char *path, enum gw_kind kind,
                 struct gw_send_items *out, struct gw_err *err)
{
    struct gw_str text = {0};

    return gw_send_file(mem, path, &text, err) || gw_send_parse(mem, path, text, kind, out, err)
               ? -1
               : 0;
}

/* ---- JSON ---- */

/* An object with both `kind` and `request` is an envelope. 1: it is one; 0: no; -1: not JSON. */
static int read_envelope(struct gw_arena *mem, struct gw_str object, struct gw_str *kind,
                         struct gw_str *request, struct gw_err *err)
{
    struct gw_json j;

    *kind = *request = (struct gw_str){0};
    gw_json_init(&j, object, MAX_DEPTH);
    if (gw_json_next(&j) != GW_JSON_OBJECT)
        return gw_err_set(err, GW_ERR_REJECT, "not a JSON object");
    while (gw_json_next(&j) == GW_JSON_KEY) {
        int is_kind = gw_json_is(&j, "kind"), is_request = gw_json_is(&j, "request");
        struct gw_str raw;

        if (gw_json_value(&j, &raw))
            return gw_json_error(&j, err);
        if (is_kind && raw.len >= 2 && raw.p[0] == '"')
            *kind = gw_arena_str(mem, (struct gw_str){raw.p + 1, raw.len - 2});
        if (is_request)
            *request = raw;
    }
    if (j.token == GW_JSON_ERROR)
        return gw_json_error(&j, err);
    return kind->p && request->p;
}

static int add_object(struct gw_arena *mem, struct gw_str object, enum gw_kind kind,
                      struct gw_send_items *out, struct gw_err *err)
{
    struct gw_str name, request;
    struct gw_send_item *item;
    int rc = read_envelope(mem, object, &name, &request, err);

    if (rc < 0)
        return -1;
    if (rc && (gw_kind_parse(name, &kind) || kind > GW_ACTION))
        return gw_err_set(err, GW_ERR_REJECT,
                          "kind \"%.*s\" is none of workflow, node, task, action",
                          name.len < 40 ? (int)name.len : 40, name.p);
    if (kind == GW_KINDS)
        return gw_err_set(err, GW_ERR_REJECT, "a request without its kind: say it with --kind");
    item = add(mem, out);
    item->kind = kind;
    item->json = rc ? request : object;
    return 0;
}

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct gw_str skip_space(struct gw_str s)
{
    while (s.len > 0 && is_space(*s.p)) {
        s.p++;
        s.len--;
    }
    return s;
}

static struct gw_str trim_end(struct gw_str s)
{
    while (s.len > 0 && is_space(s.p[s.len - 1]))
        s.len--;
    return s;
}

/* The bytes of the first value's text, found by its braces; strings are looked through. */
static size_t object_len(struct gw_str s)
{
    int depth = 0, in_string = 0;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && c == '{')
            depth++;
        else if (!in_string && c == '}' && --depth == 0)
            return i + 1;
    }
    return s.len;
}

struct gw_str gw_send_object(struct gw_str *text)
{
    struct gw_str s = skip_space(*text), object = {0};

    if (s.len > 0)
        object = (struct gw_str){s.p, object_len(s)};
    text->p = s.p + object.len;
    text->len = s.len - object.len;
    return object;
}

static int parse_objects(struct gw_arena *mem, const char *path, struct gw_str text,
                         enum gw_kind kind, struct gw_send_items *out, struct gw_err *err)
{
    const char *counted = text.p;
    struct gw_str object;
    size_t line = 1;

    while ((object = gw_send_object(&text)).p) {
        for (; counted < object.p; counted++)
            line += *counted == '\n';
        if (add_object(mem, object, kind, out, err))
            return gw_err_wrap(err, "%s:%zu", path, line);
        out->items[out->n - 1].path = path;
        out->items[out->n - 1].line = line;
    }
    return 0;
}

static int is_protobuf(struct gw_arena *mem, struct gw_str bytes, enum gw_kind kind)
{
    struct gw_flyte_request r;
    struct gw_err err;

    return kind != GW_KINDS && gw_flyte_decode(mem, kind, bytes, &r, &err) == 0;
}

int gw_send_parse(struct gw_arena *mem, const char *path, struct gw_str text, enum gw_kind kind,
                  struct gw_send_items *out, struct gw_err *err)
{
    struct gw_str first = trim_end(skip_space(text));
    struct gw_send_item *item;

    if (first.len > 0 && *first.p == '{' && first.p[first.len - 1] == '}')
        return parse_objects(mem, path, text, kind, out, err);
    if (kind == GW_KINDS)
        return gw_err_set(err, GW_ERR_REJECT,
                          "%s: neither JSON nor, without --kind, a request as protobuf bytes",
                          path);
    if (!is_protobuf(mem, text, kind))
        return gw_err_set(err, GW_ERR_REJECT, "%s: neither JSON nor a %s request as protobuf bytes",
                          path, gw_kind_names[kind]);
    item = add(mem, out);
    *item = (struct gw_send_item){.kind = kind, .bytes = text, .path = path, .line = 1};
    return 0;
}

/* ---- samples ---- */

#define EXECUTION                                                                                  \
    "{\"project\":\"flytesnacks\",\"domain\":\"development\",\"name\":\"s%08llx%lld\"}"
#define NODE   "{\"nodeId\":\"n0\",\"executionId\":" EXECUTION "}"
#define COMMON "\"phase\":\"RUNNING\",\"occurredAt\":\"%s\",\"producerId\":\"moongate-send\""

struct gw_str gw_send_sample(struct gw_arena *mem, enum gw_kind kind, uint64_t run, int64_t i)
{
    unsigned long long r = (unsigned long long)(run & 0xffffffff);
    long long n = (long long)i;
    char time[GW_TIME_TEXT];

    gw_time_format(gw_time_of_ns(gw_clock_wall_ns()), time);
    if (kind == GW_WORKFLOW)
        return gw_arena_printf(mem, "{\"event\":{\"executionId\":" EXECUTION "," COMMON "}}", r, n,
                               time);
    if (kind == GW_NODE)
        return gw_arena_printf(mem,
                               "{\"event\":{\"id\":" NODE "," COMMON ",\"nodeName\":\"train\","
                               "\"specNodeId\":\"n0\",\"retryGroup\":\"0\"}}",
                               r, n, time);
    if (kind == GW_ACTION)
        return gw_arena_printf(
            mem,
            "{\"id\":{\"run\":{\"project\":\"flytesnacks\",\"domain\":\"development\","
            "\"name\":\"r%08llx%lld\"},\"name\":\"a0\"},\"attempt\":1,"
            "\"phase\":\"ACTION_PHASE_RUNNING\",\"updatedTime\":\"%s\"}",
            r, n, time);
    return gw_arena_printf(
        mem,
        "{\"event\":{\"taskId\":{\"resourceType\":\"TASK\",\"project\":\"flytesnacks\","
        "\"domain\":\"development\",\"name\":\"workflows.train.fit\",\"version\":\"v1\"},"
        "\"parentNodeExecutionId\":" NODE "," COMMON ",\"taskType\":\"python-task\"}}",
        r, n, time);
}
