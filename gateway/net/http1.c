/* HTTP/1.x, server role. One request at a time: while one is being answered, what comes behind it
 * waits in `in` (bounded: `held` tells the connection to stop reading). */
#include "base/arena.h"
#include "base/header.h"
#include "base/json.h"
#include "net/codec.h"
#include "net/http1_chunks.h"
#include "net/http1_head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_IN = 1 << 30,
    KEPT_IN = 64 << 10,
    MAX_READ_OVER = 64 << 10,
    MAX_AHEAD = 256 << 10 /* of answers that are not taken: the next request waits */
};
enum phase { HEAD, BODY, ANSWER, CLOSING };

struct http1 {
    struct gw_codec base;
    struct gw_buf in; /* a head that is not complete, or pipelined requests */
    size_t from;      /* of in: what is before it is done with */
    size_t scanned;   /* behind from: no end of a head before it */
    enum phase phase;
    struct gw_stream *stream; /* the request in progress; freed when answered and ended */
    struct gw_http1_head head;
    struct gw_http1_chunks chunks;
    int64_t body_left;
    int ended, draining, eof, close_after, busy;
    int read_over; /* a short body that nobody wants: read, so that the connection can stay */
};

static struct http1 *of(struct gw_codec *c)
{
    return (struct http1 *)c;
}

static struct gw_codec *http1_open(const struct gw_codec_conf *conf)
{
    struct http1 *h = calloc(1, sizeof(*h));

    if (!h)
        abort();
    gw_codec_init(&h->base, &gw_http1, conf);
    gw_buf_init(&h->in, MAX_IN, NULL);
    return &h->base;
}

static const char *phrase(int status)
{
    static const struct {
        int status;
        const char *text;
    } phrases[] = {{200, "OK"},
                   {201, "Created"},
                   {202, "Accepted"},
                   {204, "No Content"},
                   {206, "Partial Content"},
                   {301, "Moved Permanently"},
                   {302, "Found"},
                   {303, "See Other"},
                   {304, "Not Modified"},
                   {307, "Temporary Redirect"},
                   {308, "Permanent Redirect"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {408, "Request Timeout"},
                   {409, "Conflict"},
                   {412, "Precondition Failed"},
                   {413, "Content Too Large"},
                   {415, "Unsupported Media Type"},
                   {429, "Too Many Requests"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {502, "Bad Gateway"},
                   {503, "Service Unavailable"},
                   {504, "Gateway Timeout"}};

    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
        if (phrases[i].status == status)
            return phrases[i].text;
    return "Status";
}

/* Before there is a stream to answer: the peer broke HTTP itself. */
static int refuse(struct http1 *h, int status, int code, const char *why)
{
    struct gw_buf body;

    gw_buf_init(&body, 1024, NULL);
    gw_buf_printf(&body, "{\"code\":%d,\"message\":", code);
    gw_json_put_string(&body, gw_str_of(why));
    gw_buf_putc(&body, '}');
    gw_buf_printf(&h->base.out,
                  "HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n"
                  "connection: close\r\n\r\n%.*s",
                  status, phrase(status), body.len, (int)body.len, body.p);
    gw_buf_free(&body);
    h->phase = CLOSING;
    return -1;
}

static void drop_stream(struct http1 *h)
{
    struct gw_stream *s = h->stream;

    h->stream = NULL;
    if (s)
        gw_codec_gone(&h->base, s);
}

/* The request has ended on both sides: on to the next, or away. */
static void next_request(struct http1 *h)
{
    int stays = h->head.keep_alive && !h->close_after && !h->draining;

    drop_stream(h);
    h->phase = stays ? HEAD : CLOSING;
}

static int is_chunked(const struct http1 *h, const struct gw_stream *s)
{
    return !s->whole && !s->sized && h->head.version == 11;
}

static void put_body(struct http1 *h, struct gw_stream *s)
{
    if (s->out.len == 0)
        return;
    if (!h->head.is_head) {
        if (is_chunked(h, s))
            gw_buf_printf(&h->base.out, "%zx\r\n", s->out.len);
        gw_buf_put(&h->base.out, s->out.p, s->out.len);
        if (is_chunked(h, s))
            gw_buf_put(&h->base.out, "\r\n", 2);
    }
    gw_buf_clear(&s->out);
}

static void put_head(struct http1 *h, struct gw_stream *s)
{
    struct gw_buf *out = &h->base.out;
    int no_body = s->status == 204 || s->status == 304;

    /* An answer before the request has ended, or without a length the peer can know: close. */
    if (!h->ended || h->draining || (!s->whole && !s->sized && h->head.version == 10))
        h->close_after = 1;
    gw_buf_puts(out, "HTTP/1.1 ");
    gw_buf_put_i64(out, s->status);
    gw_buf_putc(out, ' ');
    gw_buf_puts(out, phrase(s->status));
    for (size_t i = 0; i < s->n_answer; i++) {
        gw_buf_put(out, "\r\n", 2);
        gw_buf_put_str(out, s->answer[i].name);
        gw_buf_put(out, ": ", 2);
        gw_buf_put_str(out, s->answer[i].value);
    }
    /* Nothing written in an answer to HEAD does not say that GET would get nothing. */
    if (s->whole && !no_body && !s->sized && !(h->head.is_head && s->out.len == 0)) {
        gw_buf_puts(out, "\r\ncontent-length: ");
        gw_buf_put_u64(out, s->out.len);
    } else if (is_chunked(h, s)) {
        gw_buf_puts(out, "\r\ntransfer-encoding: chunked");
    }
    if (h->close_after || !h->head.keep_alive)
        gw_buf_puts(out, "\r\nconnection: close");
    else if (h->head.version == 10)
        gw_buf_puts(out, "\r\nconnection: keep-alive");
    gw_buf_put(out, "\r\n\r\n", 4);
    s->submitted = 1;
}

/* Writes what the handler gave; 1: the answer is complete. */
static int answer(struct http1 *h, struct gw_stream *s)
{
    if (s->reset) {
        h->close_after = 1;
        h->phase = CLOSING;
        return 1;
    }
    if (!s->submitted)
        put_head(h, s);
    put_body(h, s);
    if (!s->finished)
        return 0;
    if (is_chunked(h, s) && !h->head.is_head)
        gw_buf_puts(&h->base.out, "0\r\n\r\n");
    s->sent = 1;
    return 1;
}

/* Answers given make room for the next request. */
static void take_answers(struct http1 *h)
{
    struct gw_stream *s;

    while (h->phase != HEAD && !(h->phase == BODY && h->read_over) &&
           (s = gw_codec_next_pending(&h->base)))
        if (answer(h, s) && h->phase != CLOSING)
            next_request(h);
}

static void end_request(struct http1 *h)
{
    h->ended = 1;
    h->phase = ANSWER;
    gw_stream_end(h->stream);
}

static int start_body(struct http1 *h)
{
    struct gw_stream *s = h->stream;

    h->body_left = s->pub.content_length > 0 ? s->pub.content_length : 0;
    h->read_over = s->discard && !h->head.expect && s->pub.content_length <= MAX_READ_OVER &&
                   s->pub.content_length <= (int64_t)s->pub.body_max && !h->head.chunked;
    if (h->head.chunked || h->body_left > 0) {
        h->phase = BODY;
        if (h->head.expect && !s->discard && h->head.version == 11)
            gw_buf_puts(&h->base.out, "HTTP/1.1 100 Continue\r\n\r\n");
        return 0;
    }
    end_request(h);
    return 0;
}

/* At a complete head; in moves behind it. */
static int start_request(struct http1 *h, struct gw_str *in, size_t length)
{
    struct gw_stream *s = gw_codec_stream(&h->base);
    const char *why = gw_http1_head_read((struct gw_str){in->p, length}, s, &h->head);

    in->p += length;
    in->len -= length;
    h->ended = 0;
    h->chunks = (struct gw_http1_chunks){0};
    h->stream = s;
    if (why || gw_stream_head(s)) {
        drop_stream(h);
        if (why && h->head.foreign) { /* an answer in HTTP would be one in a foreign language */
            h->phase = CLOSING;
            return -1;
        }
        return refuse(h, 400, 3, why ? why : "Content-Length: not one plain number");
    }
    return start_body(h);
}

static int parse_head(struct http1 *h, struct gw_str *in)
{
    size_t length, max = h->base.conf.max_header_bytes;

    /* RFC 9112, 2.2: an empty line before the request line is read over. */
    while (in->len >= 2 && in->p[0] == '\r' && in->p[1] == '\n' && h->scanned <= 1) {
        h->scanned = 0;
        in->p += 2;
        in->len -= 2;
    }
    length = gw_http1_head_length(*in, h->scanned);
    if ((length ? length : in->len) > max)
        return refuse(h, 431, 8, "the head of the request is too large");
    if (length) {
        h->scanned = 0;
        return start_request(h, in, length);
    }
    if (in->len > 0 && *in->p != '\r' && !gw_token_byte(*in->p))
        return refuse(h, 400, 3, "the request line is not METHOD TARGET VERSION");
    if (gw_http1_head_is_broken(*in, h->scanned))
        return refuse(h, 400, 3, "a line that does not end in CRLF");
    h->scanned = in->len;
    return 1; /* needs more */
}

static int parse_chunks(struct http1 *h, struct gw_str *in)
{
    struct gw_str data;

    switch (gw_http1_chunks_next(&h->chunks, in, &data)) {
    case GW_CHUNKS_DATA:
        gw_stream_data(h->stream, data);
        return 0;
    case GW_CHUNKS_END:
        end_request(h);
        return 0;
    case GW_CHUNKS_BAD:
        if (h->stream->responded) {
            h->phase = CLOSING;
            return -1;
        }
        drop_stream(h);
        return refuse(h, 400, 3, "the chunked body is malformed");
    case GW_CHUNKS_MORE:
        break;
    }
    return 1;
}

static int parse_body(struct http1 *h, struct gw_str *in)
{
    struct gw_str piece = {in->p, in->len};

    if (h->head.chunked)
        return parse_chunks(h, in);
    if ((int64_t)piece.len > h->body_left)
        piece.len = (size_t)h->body_left;
    in->p += piece.len;
    in->len -= piece.len;
    h->body_left -= (int64_t)piece.len;
    gw_stream_data(h->stream, piece);
    if (h->body_left == 0)
        end_request(h);
    return 0;
}

/* Goes on as far as it can: 0; -1: the connection is to be closed. What is left in *in waits. */
static int parse(struct http1 *h, struct gw_str *in)
{
    int rc = 0;

    h->base.ahead = 0;
    while (rc == 0 && in->len > 0) {
        h->base.ahead = h->phase == HEAD && h->base.out.len > MAX_AHEAD;
        if (h->base.ahead)
            break;
        if (h->phase == HEAD)
            rc = parse_head(h, in);
        else if (h->phase == BODY)
            rc = parse_body(h, in);
        else
            break;
        take_answers(h);
    }
    return rc < 0 || h->phase == CLOSING ? -1 : 0;
}

/* Goes on with what is kept. */
static int parse_kept(struct http1 *h)
{
    struct gw_str rest = {h->in.p + h->from, h->in.len - h->from};
    int rc = parse(h, &rest);

    h->from = h->in.len - rest.len;
    if (rest.len == 0) {
        h->from = 0;
        gw_buf_clear(&h->in);
        if (h->in.cap > KEPT_IN)
            gw_buf_free(&h->in);
    } else if (h->from > h->in.len / 2) {
        gw_buf_drop(&h->in, h->from);
        h->from = 0;
    }
    return rc;
}

static void count_held(struct http1 *h)
{
    h->base.held = h->phase == ANSWER || h->base.ahead ? h->in.len - h->from : 0;
}

static void http1_fill(struct gw_codec *c)
{
    struct http1 *h = of(c);

    if (h->busy) /* feed goes on itself */
        return;
    h->busy = 1;
    take_answers(h);
    if (h->phase == HEAD && h->in.len > h->from)
        parse_kept(h);
    h->busy = 0;
    count_held(h);
}

static int http1_feed(struct gw_codec *c, struct gw_str bytes)
{
    struct http1 *h = of(c);
    int rc;

    if (h->phase == CLOSING)
        return -1;
    h->busy = 1;
    if (h->in.len > 0) {
        gw_buf_put_str(&h->in, bytes);
        rc = parse_kept(h);
    } else {
        rc = parse(h, &bytes);
        gw_buf_put_str(&h->in, bytes);
    }
    h->busy = 0;
    count_held(h);
    return rc;
}

/* Requests that came whole are still answered. An answer that streams has lost its reader: only by
 * this is it known while there is nothing to write. */
static void http1_eof(struct gw_codec *c)
{
    struct http1 *h = of(c);

    h->eof = 1;
    if (h->phase == ANSWER && h->stream->submitted && !h->stream->finished)
        h->phase = CLOSING;
}

static void http1_drain(struct gw_codec *c)
{
    struct http1 *h = of(c);

    h->draining = 1;
    if (h->phase == HEAD && h->in.len == 0)
        h->phase = CLOSING;
}

static int http1_done(const struct gw_codec *c)
{
    const struct http1 *h = (const struct http1 *)c;

    return h->phase == CLOSING || (h->eof && h->phase != ANSWER && !h->base.ahead);
}

static enum gw_codec_wait http1_wait(const struct gw_codec *c)
{
    const struct http1 *h = (const struct http1 *)c;

    switch (h->phase) {
    case HEAD:
        return h->in.len ? GW_WAIT_HEAD : GW_WAIT_REQUEST;
    case BODY:
        return GW_WAIT_BODY;
    case ANSWER:
    case CLOSING:
        break;
    }
    return GW_WAIT_ANSWER;
}

static void http1_close(struct gw_codec *c)
{
    struct http1 *h = of(c);

    h->stream = NULL;
    gw_codec_fini(c);
    gw_buf_free(&h->in);
    free(h);
}

const struct gw_codec_ops gw_http1 = {.open = http1_open,
                                      .feed = http1_feed,
                                      .fill = http1_fill,
                                      .drain = http1_drain,
                                      .eof = http1_eof,
                                      .done = http1_done,
                                      .wait = http1_wait,
                                      .close = http1_close};
