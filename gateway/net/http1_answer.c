#include "net/http1_answer.h"

#include "base/err.h"
#include "net/http1_head.h"
#include "net/http_call.h"

#include <string.h>

enum { HEAD, LENGTH, CHUNKS, TO_THE_END, WHOLE };
enum {
    MAX_HEADS = 64 * 1024,
    MAX_LENGTH_DIGITS = 15 /* more than any body, and no overflow */
};

static const char version[] = "HTTP/1.";
enum { VERSION = sizeof(version) - 1, STATUS_AT = VERSION + 2, STATUS_END = STATUS_AT + 3 };

void gw_http1_answer_init(struct gw_http1_answer *a)
{
    *a = (struct gw_http1_answer){0};
    gw_buf_init(&a->head, MAX_HEADS + 1, NULL);
}

void gw_http1_answer_fini(struct gw_http1_answer *a)
{
    gw_buf_free(&a->head);
}

void gw_http1_answer_begin(struct gw_http1_answer *a, struct gw_http_call *call)
{
    a->call = call;
    a->phase = HEAD;
    a->chunks = (struct gw_http1_chunks){0};
    a->heads = 0;
    gw_buf_clear(&a->head);
}

int gw_http1_answer_has_begun(const struct gw_http1_answer *a)
{
    return a->phase != HEAD;
}

/* ---- the head ---- */

static int refuse(struct gw_err *err, const char *why)
{
    return gw_err_set(err, GW_ERR_RETRY, "the answer is not HTTP/1.1: %s", why);
}

/* HTTP/1.x SP 3DIGIT [SP phrase]. Outside of 100 to 599 no status means anything. */
static int status_of(struct gw_str line)
{
    int status = 0;

    if (line.len < STATUS_END || memcmp(line.p, version, VERSION) != 0 ||
        (line.p[VERSION] != '0' && line.p[VERSION] != '1') || line.p[STATUS_AT - 1] != ' ' ||
        (line.len > STATUS_END && line.p[STATUS_END] != ' '))
        return -1;
    for (size_t i = STATUS_AT; i < STATUS_END; i++) {
        if (line.p[i] < '0' || line.p[i] > '9')
            return -1;
        status = status * 10 + (line.p[i] - '0');
    }
    return status >= 100 && status < 600 ? status : -1;
}

/* Blanks between a name and its colon go (RFC 9112, 5.1), for whoever reads it next may take them
 * for a part of the name. */
static const char *field(struct gw_str line, struct gw_http_call *call)
{
    const char *colon = line.len > 0 ? memchr(line.p, ':', line.len) : NULL;
    struct gw_str name = {line.p, colon ? (size_t)(colon - line.p) : 0}, value;
    char *kept;

    if (*line.p == ' ' || *line.p == '\t')
        return "a folded field, or white space before the first one";
    name = gw_http1_trim(name);
    if (!colon || !gw_header_name_ok(name))
        return "a field's name is not a token followed by a colon";
    value = gw_http1_trim((struct gw_str){colon + 1, line.len - (size_t)(colon - line.p) - 1});
    if (!gw_header_value_ok(value))
        return "a control character in a field's value";
    if (gw_http_call_header(call, name, value))
        return call->err.msg;
    kept = (char *)call->answer_headers[call->n_answer_headers - 1].name.p;
    for (size_t i = 0; i < name.len; i++)
        if (kept[i] >= 'A' && kept[i] <= 'Z')
            kept[i] = (char)(kept[i] | 0x20);
    return NULL;
}

/* -1: not one plain number. */
static int length_of(struct gw_str s, uint64_t *out)
{
    *out = 0;
    if (s.len == 0 || s.len > MAX_LENGTH_DIGITS)
        return -1;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        *out = *out * 10 + (uint64_t)(s.p[i] - '0');
    }
    return 0;
}

static int has_no_body(const struct gw_http_call *call)
{
    return gw_str_is(call->method, "HEAD") || call->status == 204 || call->status == 304;
}

/* What a head says of framing. */
struct said {
    int minor; /* of the version */
    int lengths, bad_lengths, encodings, chunked, closes, keeps;
};

static void note_field(struct said *said, const struct gw_http_header *h, uint64_t *length)
{
    if (gw_str_is(h->name, "content-length")) {
        said->lengths++;
        said->bad_lengths |= length_of(h->value, length);
    } else if (gw_str_is(h->name, "transfer-encoding")) {
        said->encodings++;
        said->chunked = h->value.len == strlen("chunked") && gw_http1_lists(h->value, "chunked");
    } else if (gw_str_is(h->name, "connection")) {
        said->closes |= gw_http1_lists(h->value, "close");
        said->keeps |= gw_http1_lists(h->value, "keep-alive");
    }
}

/* Nothing but chunked was asked for. */
static const char *bad_coding(const struct said *said)
{
    if (said->encodings > 1 || !said->chunked)
        return "a Transfer-Encoding but one chunked";
    if (said->lengths || said->minor == 0)
        return "Transfer-Encoding beside Content-Length, or in HTTP/1.0";
    return NULL;
}

/* How long the body is (RFC 9112, 6.3), and whether the connection stays. */
static const char *framing(struct gw_http1_answer *a, int minor)
{
    const struct gw_http_call *call = a->call;
    struct said said = {.minor = minor, .keeps = minor == 1};

    for (size_t i = 0; i < call->n_answer_headers; i++)
        note_field(&said, &call->answer_headers[i], &a->left);
    if (said.lengths > 1 || said.bad_lengths)
        return "Content-Length: not one plain number";
    a->phase = said.lengths ? LENGTH : TO_THE_END;
    if (has_no_body(call) || (said.lengths && !said.encodings && a->left == 0))
        a->phase = WHOLE;
    else if (said.encodings)
        a->phase = CHUNKS;
    a->keep_alive = said.keeps && !said.closes && a->phase != TO_THE_END;
    return a->phase == CHUNKS ? bad_coding(&said) : NULL;
}

static const char *read_head(struct gw_http1_answer *a, struct gw_str head)
{
    struct gw_http_call *call = a->call;
    const char *why = NULL;
    struct gw_str line;
    int minor;

    if (gw_http1_line(&head, &line))
        return "a line that does not end in CRLF";
    call->status = status_of(line);
    if (call->status < 0)
        return "no status line";
    if (call->status == 101)
        return "it speaks another protocol from here on, which nobody asked for";
    minor = line.p[VERSION] - '0';
    while (!why && !gw_http1_line(&head, &line) && line.len > 0)
        why = field(line, call);
    if (why)
        return why;
    if (line.len > 0 || head.len > 0)
        return "a line that does not end in CRLF";
    if (call->status < 200) {
        call->n_answer_headers = 0; /* the answer is still to come */
        return NULL;
    }
    call->n_head = call->n_answer_headers;
    return framing(a, minor);
}

/* What can be seen before it is whole: a server of another protocol may wait for us now. */
static int is_foreign(struct gw_str begin)
{
    return memcmp(begin.p, version, begin.len < VERSION ? begin.len : VERSION) != 0;
}

static int feed_head(struct gw_http1_answer *a, struct gw_str *in, struct gw_err *err)
{
    const size_t had = a->head.len;
    struct gw_str all = *in;
    const char *why;
    size_t length;

    if (had > 0) {
        gw_buf_put(&a->head, in->p, in->len < MAX_HEADS + 1 - had ? in->len : MAX_HEADS + 1 - had);
        all = gw_buf_str(&a->head);
    }
    if (is_foreign(all))
        return refuse(err, "no status line");
    length = gw_http1_head_length(all, had);
    if (a->heads + (length ? length : all.len) > MAX_HEADS)
        return gw_err_set(err, GW_ERR_TOO_LARGE, "the head of the answer is too large");
    if (!length) {
        if (had == 0)
            gw_buf_put_str(&a->head, *in);
        *in = (struct gw_str){in->p + in->len, 0};
        return 0;
    }
    a->heads += length;
    *in = (struct gw_str){in->p + (length - had), in->len - (length - had)};
    why = read_head(a, (struct gw_str){all.p, length});
    gw_buf_clear(&a->head);
    return why ? refuse(err, why) : 0;
}

/* ---- the body ---- */

static int give(struct gw_http1_answer *a, struct gw_str data, struct gw_err *err)
{
    struct gw_http_call *call = a->call;

    gw_buf_put_str(&call->answer, data);
    if (call->answer.failed)
        return gw_err_set(err, GW_ERR_TOO_LARGE, "the answer is too large");
    if (call->data)
        call->data(call);
    return 0;
}

static int feed_length(struct gw_http1_answer *a, struct gw_str *in, struct gw_err *err)
{
    const struct gw_str data = {in->p, in->len < a->left ? in->len : (size_t)a->left};

    *in = (struct gw_str){in->p + data.len, in->len - data.len};
    a->left -= data.len;
    if (a->left == 0)
        a->phase = WHOLE;
    return give(a, data, err);
}

static int feed_chunks(struct gw_http1_answer *a, struct gw_str *in, struct gw_err *err)
{
    struct gw_str data;

    switch (gw_http1_chunks_next(&a->chunks, in, &data)) {
    case GW_CHUNKS_DATA:
        a->chunks.skipped = 0; /* a bound for a chunk, not for all of a long answer */
        return give(a, data, err);
    case GW_CHUNKS_END:
        a->phase = WHOLE;
        break;
    case GW_CHUNKS_BAD:
        return refuse(err, "the chunked body is malformed");
    case GW_CHUNKS_MORE:
        break;
    }
    return 0;
}

int gw_http1_answer_feed(struct gw_http1_answer *a, struct gw_str *in, struct gw_err *err)
{
    int rc = 0;

    while (!rc && in->len > 0 && a->phase != WHOLE) {
        if (a->phase == HEAD)
            rc = feed_head(a, in, err);
        else if (a->phase == LENGTH)
            rc = feed_length(a, in, err);
        else if (a->phase == CHUNKS)
            rc = feed_chunks(a, in, err);
        else {
            rc = give(a, *in, err);
            *in = (struct gw_str){in->p + in->len, 0};
        }
    }
    return rc ? -1 : a->phase == WHOLE;
}

int gw_http1_answer_end(struct gw_http1_answer *a, struct gw_err *err)
{
    if (a->phase == TO_THE_END)
        a->phase = WHOLE;
    return a->phase == WHOLE ? 0
                             : gw_err_set(err, GW_ERR_RETRY, "the server closed the connection");
}
