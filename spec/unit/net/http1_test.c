/* The HTTP/1.x codec by bytes: whole, one at a time, split at every place. */
#include "codec_test.h"

static struct room room;
static struct gw_codec *codec;

/* Feeds in pieces of `step`, the first of `first` bytes; what feed said last. */
static int feed(const char *bytes, size_t len, size_t first, size_t step)
{
    int rc = 0;

    for (size_t at = 0, n = first; at < len && !rc; at += n, n = step) {
        char *piece; /* of its own size, so that ASan sees a read past it */

        n = n > len - at ? len - at : n;
        piece = malloc(n);
        CHECK(piece);
        memcpy(piece, bytes + at, n);
        rc = codec->ops->feed(codec, (struct gw_str){piece, n});
        free(piece);
        codec->ops->fill(codec);
    }
    return rc;
}

static int feed_all(const char *bytes)
{
    return feed(bytes, strlen(bytes), strlen(bytes), 1);
}

static int out_is(const char *text)
{
    return gw_str_is(gw_buf_str(&codec->out), text);
}

static void start(enum reply reply)
{
    room.reply = reply;
    codec = room_open(&room, &gw_http1);
}

static void stop(void)
{
    room_close(&room, codec);
}

#define HEADERS "Host: a\r\n"
#define OK_HI   "HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 2\r\n\r\nhi"
static const char two[] = "\r\nPOST /a?b=c HTTP/1.1\r\n" HEADERS "Content-Length: 5\r\n\r\nhello"
                          "PUT /b HTTP/1.1\r\n" HEADERS "Transfer-Encoding: Chunked\r\n\r\n"
                          "3;x=\"y\"\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n"
                          "GET http://a/c HTTP/1.1\r\n" HEADERS "\r\n";
static const char two_seen[] = "POST /a?b=c[hello]; PUT /b[abc0123456789]; GET /c[]; ";

TEST(test_http1_reads_pipelined_requests_split_anywhere)
{
    for (size_t split = 1; split < sizeof(two); split++) {
        gw_buf_clear(&room.seen);
        start(AT_END);
        CHECK(feed(two, sizeof(two) - 1, split, sizeof(two)) == 0);
        CHECK(gw_str_is(gw_buf_str(&room.seen), two_seen));
        CHECK(out_is(OK_HI OK_HI OK_HI));
        stop();
    }
    CHECK(room.gones == 3 * ((int)sizeof(two) - 1));
}

TEST(test_http1_reads_one_byte_at_a_time)
{
    start(AT_END);
    CHECK(feed(two, sizeof(two) - 1, 1, 1) == 0);
    CHECK(gw_str_is(gw_buf_str(&room.seen), two_seen) && out_is(OK_HI OK_HI OK_HI));
    stop();
}

TEST(test_http1_answers_pipelined_requests_in_order_and_later)
{
    start(LATER);
    CHECK(feed_all(two) == 0 && codec->out.len == 0 && codec->held > 0);
    for (int i = 0; i < 3; i++) {
        CHECK(room.heads == i + 1 && room.n_open == 1);
        room_answer(&room, room.open[0], 200);
        codec->ops->fill(codec);
    }
    CHECK(out_is(OK_HI OK_HI OK_HI) && codec->held == 0 && room.n_open == 0);
    stop();
}

TEST(test_http1_holds_a_thousand_pipelined_requests)
{
    static const char get[] = "GET / HTTP/1.1\r\n" HEADERS "\r\n";

    start(LATER);
    for (int i = 0; i < 1000; i++)
        CHECK(feed_all(get) == 0);
    CHECK(room.heads == 1 && codec->held == 999 * strlen(get));
    for (int i = 0; i < 1000; i++) {
        room_answer(&room, room.open[0], 200);
        codec->ops->fill(codec);
    }
    CHECK(room.gones == 1000 && codec->out.len == 1000 * strlen(OK_HI));
    stop();
}

static const char *const refused[] = {
    "GET  / HTTP/1.1\r\n" HEADERS "\r\n", /* more than one space */
    "GET /  HTTP/1.1\r\n" HEADERS "\r\n",
    "GET / HTTP/1.1 \r\n" HEADERS "\r\n",
    " GET / HTTP/1.1\r\n" HEADERS "\r\n",
    "GET\t/ HTTP/1.1\r\n" HEADERS "\r\n",
    "GET / HTTP/1.2\r\n" HEADERS "\r\n", /* versions */
    "GET / HTTP/2.0\r\n" HEADERS "\r\n",
    "GET / http/1.1\r\n" HEADERS "\r\n",
    "GET /\r\n\r\n",
    "GET / x HTTP/1.1\r\n" HEADERS "\r\n",
    "G(T / HTTP/1.1\r\n" HEADERS "\r\n",
    "GET /\x01 HTTP/1.1\r\n" HEADERS "\r\n",
    "GET / HTTP/1.1\r\n" HEADERS "A: b\r\n c\r\n\r\n", /* obs-fold */
    "GET / HTTP/1.1\r\n" HEADERS "A: b\r\n\tc\r\n\r\n",
    "GET / HTTP/1.1\r\n A: b\r\n" HEADERS "\r\n", /* white space before the first header */
    "GET / HTTP/1.1\r\n" HEADERS "A : b\r\n\r\n", /* before a colon */
    "GET / HTTP/1.1\r\n" HEADERS "A\t: b\r\n\r\n",
    "GET / HTTP/1.1\r\n" HEADERS ": b\r\n\r\n",
    "GET / HTTP/1.1\r\n" HEADERS "A\r\n\r\n",
    "GET / HTTP/1.1\r\n" HEADERS "A: b\rc\r\n\r\n", /* bare CR and LF */
    "GET / HTTP/1.1\r\r\n" HEADERS "\r\n",
    "GET / HTTP/1.1\n" HEADERS "\r\n",
    "GET / HTTP/1.1\r\n" HEADERS "A: b\nC: d\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\n\n",
    "GET / HTTP/1.1\r\n" HEADERS "A: \x01\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n", /* Host */
    "GET / HTTP/1.1\r\n" HEADERS HEADERS "\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: :80\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n",
    "GET * HTTP/1.1\r\n" HEADERS "\r\n", /* targets */
    "GET a HTTP/1.1\r\n" HEADERS "\r\n",
    "GET ftp://a/ HTTP/1.1\r\n" HEADERS "\r\n",
    "GET http:///a HTTP/1.1\r\n" HEADERS "\r\n",
    "GET http://u@a/ HTTP/1.1\r\n" HEADERS "\r\n",
    "GET /a#b HTTP/1.1\r\n" HEADERS "\r\n",
    "CONNECT /a HTTP/1.1\r\n" HEADERS "\r\n",
    "GET / HTTP/1.0\r\n" HEADERS "HOST: b\r\n\r\n",
    "POST / HTTP/1.1\r\n" HEADERS "Transfer-Encoding: gzip\r\n\r\n", /* encodings */
    "POST / HTTP/1.1\r\n" HEADERS "Transfer-Encoding: gzip, chunked\r\n\r\n",
    "POST / HTTP/1.1\r\n" HEADERS "Transfer-Encoding: chunked, chunked\r\n\r\n",
    "POST / HTTP/1.1\r\n" HEADERS "Transfer-Encoding: xchunked\r\n\r\n",
    "POST / HTTP/1.1\r\n" HEADERS "Transfer-Encoding:\r\n\r\n",
    "POST / HTTP/1.1\r\n" HEADERS "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"
    "\r\n",
    "POST / HTTP/1.0\r\n" HEADERS "Transfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\n" HEADERS "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", /* lengths */
    "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 1, 1\r\n\r\n",
    "POST / HTTP/1.1\r\n" HEADERS "Content-Length: -1\r\n\r\n",
    "POST / HTTP/1.1\r\n" HEADERS "Content-Length: +1\r\n\r\n",
    "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 0x1\r\n\r\n",
    "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 1 1\r\n\r\n",
    "POST / HTTP/1.1\r\n" HEADERS "Content-Length:\r\n\r\n",
    "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 18446744073709551617\r\n\r\n",
    "\x16\x03\x01", /* TLS, at once */
};

static const char *const refused_chunks[] = {"x\r\n",
                                             "\r\n",
                                             "-1\r\n",
                                             "+1\r\n",
                                             " 1\r\n",
                                             "1 \r\n",
                                             "0x1\r\n",
                                             "1\n",
                                             "1\rx",
                                             "1;a\nb\r\n",
                                             "123456789\r\n",
                                             "3\r\nabcd\r\n", /* its data does not fit */
                                             "3\r\nab\r\n0\r\n\r\n",
                                             "3\r\nabc\n",
                                             "3\r\nabc0\r\n\r\n",
                                             "0\r\nX : 1\r\n\r\n", /* trailers */
                                             "0\r\n X: 1\r\n\r\n",
                                             "0\r\nX: 1\r\n y\r\n\r\n",
                                             "0\r\nX: 1\n\r\n",
                                             "0\r\nX\r\n\r\n",
                                             "0\r\nX: \x01\r\n\r\n",
                                             "0;\x01\r\n\r\n",
                                             "0\r\n\n"};

static void check_refused(const char *bytes, size_t step)
{
    gw_buf_clear(&room.seen);
    start(AT_END);
    if (feed(bytes, strlen(bytes), step, step) != -1) {
        fprintf(stderr, "taken: %s\n", bytes);
        exit(1);
    }
    CHECK(codec->ops->done(codec));
    CHECK(!strncmp(gw_buf_str(&codec->out).p, "HTTP/1.1 400 Bad Request\r\n", 26));
    CHECK(has(&codec->out, "connection: close\r\n") && has(&codec->out, "\r\n\r\n{\"code\":3,\""));
    CHECK(room.seen.len == 0);
    stop();
}

TEST(test_http1_refuses_what_the_contract_lists)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        check_refused(refused[i], strlen(refused[i]));
        check_refused(refused[i], 1);
    }
}

TEST(test_http1_refuses_bad_chunks_and_trailers)
{
    for (size_t i = 0; i < sizeof(refused_chunks) / sizeof(refused_chunks[0]); i++) {
        char bytes[200];

        snprintf(bytes, sizeof(bytes),
                 "POST / HTTP/1.1\r\n" HEADERS "Transfer-Encoding: chunked\r\n\r\n%s",
                 refused_chunks[i]);
        check_refused(bytes, strlen(bytes));
        check_refused(bytes, 1);
    }
}

TEST(test_http1_refuses_a_nul)
{
    static const char head[] = "GET / HTTP/1.1\r\n" HEADERS "A: b\0c\r\n\r\n";

    start(AT_END);
    CHECK(feed(head, sizeof(head) - 1, 1, 1) == -1);
    CHECK(!strncmp(gw_buf_str(&codec->out).p, "HTTP/1.1 400 ", 13));
    stop();
}

TEST(test_http1_takes_what_is_allowed)
{
    static const char *const taken[] = {
        "GET / HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhOST:\r\n\r\n",
        "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a_b-c.d~%41:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\t a \t\r\nA-!#$%&'*+.^_`|~9:\xff\r\n\r\n",
        "GET / HTTP/1.1\r\n" HEADERS "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.1\r\n" HEADERS "Transfer-Encoding: chunked\r\n\r\n0;a\r\nb:\r\n\r\n"};

    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        start(AT_END);
        feed_all(taken[i]);
        CHECK(!strncmp(gw_buf_str(&codec->out).p, "HTTP/1.1 200 OK\r\n", 17));
        stop();
    }
}

/* A proxy's form names host and path itself; a query is no path. */
TEST(test_http1_reads_an_absolute_target)
{
    static const struct {
        const char *target, *path, *authority;
    } cases[] = {{"http://a/b?c", "/b?c", "a"},
                 {"HTTPS://b:1/", "/", "b:1"},
                 {"http://[::1]:8088", "/", "[::1]:8088"},
                 {"http://b?x=/v1/events", "/?x=/v1/events", "b"},
                 {"/http://b/c", "/http://b/c", "a"}};
    char head[200];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(LATER);
        snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\n" HEADERS "\r\n", cases[i].target);
        CHECK(feed_all(head) == 0 && room.n_open == 1);
        CHECK(gw_str_is(room.open[0]->path, cases[i].path));
        CHECK(gw_str_is(room.open[0]->authority, cases[i].authority));
        stop();
    }
}

/* What says nothing of HTTP is not answered in HTTP: who speaks HTTP/2 badly sees the end alone. */
TEST(test_http1_what_is_no_http_is_closed_without_a_word)
{
    start(AT_END);
    CHECK(feed_all("INVALID CONNECTION PREFACE\r\n\r\n") == -1);
    CHECK(codec->ops->done(codec) && codec->out.len == 0 && room.heads == 0);
    stop();
    start(AT_END);
    CHECK(feed_all("GET / HTTP1.1\r\n" HEADERS "\r\n") == -1);
    CHECK(!strncmp(gw_buf_str(&codec->out).p, "HTTP/1.1 400 ", 13));
    stop();
}

TEST(test_http1_endless_head_is_431)
{
    char line[] = "X-Filler: 0123456789\r\n";
    int rc;

    start(AT_END);
    rc = feed_all("GET / HTTP/1.1\r\n" HEADERS);
    for (int i = 0; i < 100 && !rc; i++)
        rc = feed_all(line);
    CHECK(rc == -1 && room.heads == 0);
    CHECK(!strncmp(gw_buf_str(&codec->out).p, "HTTP/1.1 431 ", 13));
    CHECK(has(&codec->out, "{\"code\":8,"));
    stop();
}

TEST(test_http1_expect_gets_100_before_the_body)
{
    start(AT_END);
    CHECK(feed_all("POST / HTTP/1.1\r\n" HEADERS
                   "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n") == 0);
    CHECK(out_is("HTTP/1.1 100 Continue\r\n\r\n"));
    gw_buf_clear(&codec->out);
    CHECK(feed_all("ab") == 0 && out_is(OK_HI));
    stop();
}

TEST(test_http1_expect_with_a_body_too_large_is_answered_at_once)
{
    start(AT_END);
    CHECK(feed_all("POST / HTTP/1.1\r\n" HEADERS
                   "Expect: 100-continue\r\nContent-Length: 101\r\n\r\n") == -1);
    CHECK(!strncmp(gw_buf_str(&codec->out).p, "HTTP/1.1 413 ", 13));
    CHECK(has(&codec->out, "connection: close") && !has(&codec->out, "100 Continue"));
    stop();
}

TEST(test_http1_chunks_past_the_limit_are_too_large)
{
    start(AT_END);
    feed_all("POST / HTTP/1.1\r\n" HEADERS "Transfer-Encoding: chunked\r\n\r\n64\r\n");
    for (int i = 0; i < 100; i++)
        feed_all("x");
    CHECK(room.seen.len == 0);
    CHECK(feed_all("\r\n1\r\ny") == -1);
    CHECK(gw_str_is(gw_buf_str(&room.seen), "too large; "));
    CHECK(!strncmp(gw_buf_str(&codec->out).p, "HTTP/1.1 413 ", 13));
    stop();
}

TEST(test_http1_reads_over_a_short_body_nobody_wants)
{
    start(AT_HEAD);
    CHECK(feed_all("POST /x HTTP/1.1\r\n" HEADERS "Content-Length: 3\r\n\r\na") == 0);
    CHECK(codec->out.len == 0);
    CHECK(feed_all("bcGET /y HTTP/1.1\r\n" HEADERS "\r\n") == 0);
    CHECK(room.gones == 2 && !has(&codec->out, "close") && room.seen.len == 0);
    CHECK(feed_all("POST /x HTTP/1.1\r\n" HEADERS "Transfer-Encoding: chunked\r\n\r\n") == -1);
    CHECK(has(&codec->out, "close"));
    stop();
}

TEST(test_http1_keeps_or_closes_as_asked)
{
    static const struct {
        const char *head;
        int closes;
        const char *says;
    } cases[] = {{"GET / HTTP/1.1\r\n" HEADERS "Connection: x, Close\r\n\r\n", 1, "close"},
                 {"GET / HTTP/1.1\r\n" HEADERS "Connection: keep-alive\r\n\r\n", 0, "\r\n\r\nhi"},
                 {"GET / HTTP/1.0\r\n\r\n", 1, "connection: close"},
                 {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 0, "connection: keep-alive"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(AT_END);
        CHECK((feed_all(cases[i].head) == -1) == cases[i].closes);
        CHECK(codec->ops->done(codec) == cases[i].closes && has(&codec->out, cases[i].says));
        stop();
    }
}

TEST(test_http1_head_has_no_body_in_its_answer)
{
    start(AT_END);
    CHECK(feed_all("HEAD / HTTP/1.1\r\n" HEADERS "\r\n") == 0);
    CHECK(out_is("HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 2\r\n\r\n"));
    stop();
}

TEST(test_http1_streams_in_chunks_and_to_http10_until_close)
{
    start(LATER);
    CHECK(feed_all("GET / HTTP/1.1\r\n" HEADERS "\r\n") == 0);
    gw_http_respond(room.open[0], 200, NULL, 0);
    gw_http_write(room.open[0], GW_STR("abc"));
    codec->ops->fill(codec);
    gw_http_write(room.open[0], GW_STR("de"));
    codec->ops->fill(codec);
    gw_http_finish(room.open[0], NULL, 0);
    codec->ops->fill(codec);
    CHECK(out_is("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n"
                 "0\r\n\r\n"));
    gw_buf_clear(&codec->out);
    CHECK(feed_all("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") == 0);
    gw_http_respond(room.open[0], 200, NULL, 0);
    gw_http_write(room.open[0], GW_STR("abc"));
    codec->ops->fill(codec);
    gw_http_finish(room.open[0], NULL, 0);
    codec->ops->fill(codec);
    CHECK(out_is("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc") && codec->ops->done(codec));
    stop();
}

TEST(test_http1_reset_closes_without_an_answer)
{
    start(RESETS);
    CHECK(feed_all("GET / HTTP/1.1\r\n" HEADERS "\r\n") == -1);
    CHECK(codec->out.len == 0 && codec->ops->done(codec));
    stop();
}

TEST(test_http1_drain_answers_what_is_in_progress)
{
    start(LATER);
    CHECK(feed_all(two) == 0);
    codec->ops->drain(codec);
    CHECK(!codec->ops->done(codec));
    room_answer(&room, room.open[0], 200);
    codec->ops->fill(codec);
    CHECK(codec->ops->done(codec) && room.heads == 1 && has(&codec->out, "connection: close"));
    stop();
    start(LATER);
    codec->ops->drain(codec);
    CHECK(codec->ops->done(codec));
    stop();
}

TEST(test_http1_end_of_input_leaves_whole_requests_to_be_answered)
{
    start(LATER);
    CHECK(feed(two, sizeof(two) - 3, sizeof(two), 1) == 0);
    codec->ops->eof(codec);
    for (int i = 0; i < 2; i++) {
        CHECK(!codec->ops->done(codec));
        room_answer(&room, room.open[0], 200);
        codec->ops->fill(codec);
    }
    CHECK(codec->ops->done(codec) && room.heads == 2 && out_is(OK_HI OK_HI));
    stop();
}

TEST(test_http1_says_what_it_waits_for)
{
    start(LATER);
    CHECK(codec->ops->wait(codec) == GW_WAIT_REQUEST);
    feed_all("POST / HTTP/1.1\r\n");
    CHECK(codec->ops->wait(codec) == GW_WAIT_HEAD);
    feed_all(HEADERS "Content-Length: 1\r\n\r\n");
    CHECK(codec->ops->wait(codec) == GW_WAIT_BODY && codec->heads == 1);
    feed_all("x");
    CHECK(codec->ops->wait(codec) == GW_WAIT_ANSWER);
    room_answer(&room, room.open[0], 200);
    CHECK(room.woken == 1);
    codec->ops->fill(codec);
    CHECK(codec->ops->wait(codec) == GW_WAIT_REQUEST);
    stop();
}

/* Who says the length writes as many bytes itself, in pieces, or none to a HEAD. */
TEST(test_http1_an_answer_may_say_its_own_length)
{
    static const struct gw_http_header h[] = {{GW_STR("content-length"), GW_STR("6")}};

    start(LATER);
    CHECK(feed_all("GET / HTTP/1.1\r\n" HEADERS "\r\nHEAD / HTTP/1.1\r\n" HEADERS "\r\n") == 0);
    gw_http_respond(room.open[0], 200, h, 1);
    gw_http_write(room.open[0], GW_STR("abc"));
    codec->ops->fill(codec);
    gw_http_write(room.open[0], GW_STR("def"));
    gw_http_finish(room.open[0], NULL, 0);
    codec->ops->fill(codec);
    CHECK(out_is("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabcdef"));
    gw_buf_clear(&codec->out);
    gw_http_respond(room.open[0], 200, h, 1);
    gw_http_finish(room.open[0], NULL, 0);
    codec->ops->fill(codec);
    CHECK(out_is("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"));
    stop();
}
