#include "codec_host.h"
#include "test.h"

#include <string.h>

static const size_t steps[] = {1, 2, 3, 7, 4096};
enum { N_STEPS = sizeof(steps) / sizeof(steps[0]) };

/* However the bytes are cut, the answer is the same. */
static void check(struct gw_str in, const char *out, int feed_says)
{
    for (size_t i = 0; i < N_STEPS; i++) {
        struct codec_host h;
        struct gw_str got;

        codec_host_open(&h, &gw_http1);
        CHECK(codec_host_feed(&h, in, steps[i]) == feed_says);
        got = codec_host_out(&h);
        if (!gw_str_is(got, out)) {
            fprintf(stderr, "step %zu: %.*s\ninstead of %s\n", steps[i], (int)got.len, got.p, out);
            exit(1);
        }
        codec_host_close(&h);
    }
}

TEST(test_http1_answers_a_request_however_it_is_cut)
{
    check(GW_STR("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"),
          "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\nPOST /a [hello]", 0);
}

TEST(test_http1_answers_pipelined_requests_in_order)
{
    check(GW_STR("GET /a HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\n"
                 "Content-Length: 1\r\n\r\nxGET /c HTTP/1.1\r\nHost: h\r\n\r\n"),
          "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nGET /a []"
          "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nPOST /b [x]"
          "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nGET /c []",
          0);
}

TEST(test_http1_pipelined_requests_wait_for_the_answer_before_them)
{
    struct codec_host h;

    codec_host_open(&h, &gw_http1);
    CHECK(codec_host_feed(&h,
                          GW_STR("GET /later HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: "
                                 "h\r\n\r\nGET /later HTTP/1.1\r\nHost: h\r\n\r\n"),
                          4096) == 0);
    CHECK(codec_host_out(&h).len == 0 && h.heads == 1);
    codec_host_answer_later(&h);
    CHECK(gw_str_is(codec_host_out(&h), "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nGET /later []"
                                        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nGET /b []"));
    CHECK(h.heads == 3 && h.later);
    codec_host_close(&h);
}

TEST(test_http1_reads_chunks_with_extensions_and_trailers)
{
    check(GW_STR("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
                 "3\r\nabc\r\n0a;x=\"y\"\r\n0123456789\r\n0\r\nA: b\r\n\r\n"),
          "HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\nPOST / [abc0123456789]", 0);
}

TEST(test_http1_says_continue_only_where_a_body_is_wanted)
{
    check(
        GW_STR("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nPOST /a [x]", 0);
    check(GW_STR("POST /early HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: "
                 "1\r\n\r\n"),
          "HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\nconnection: close\r\n\r\nearly", -1);
}

TEST(test_http1_keeps_or_closes_as_the_peer_says)
{
    check(GW_STR("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\n"),
          "HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nGET /a []", -1);
    check(GW_STR("GET /a HTTP/1.0\r\n\r\n"),
          "HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nGET /a []", -1);
    check(GW_STR("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
          "HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: keep-alive\r\n\r\nGET /a []", 0);
}

TEST(test_http1_answers_head_without_a_body)
{
    check(GW_STR("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n"),
          "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n", 0);
}

static void refuses(struct gw_str in, const char *status)
{
    for (size_t i = 0; i < N_STEPS; i++) {
        struct codec_host h;
        struct gw_str got;

        codec_host_open(&h, &gw_http1);
        CHECK(codec_host_feed(&h, in, steps[i]) == -1);
        got = codec_host_out(&h);
        if (got.len < 12 || memcmp(got.p + 9, status, 3) != 0 || h.ends != 0) {
            fprintf(stderr, "step %zu, %.*s\ngave %.*s\n", steps[i], (int)in.len, in.p,
                    (int)got.len, got.p);
            exit(1);
        }
        codec_host_close(&h);
    }
}

TEST(test_http1_refuses_what_two_servers_could_read_differently)
{
    static const char *const heads[] = {
        "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
        "GET / HTTP/1.1\nHost: h\n\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nNo colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: h\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
        "GET / http/1.1\r\nHost: h\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /  HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / x HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /\r\nHost: h\r\n\r\n",
        "G\x01T / HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1,1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
        "chunked\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        refuses(gw_str_of(heads[i]), "400");
    refuses(GW_STR("GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n"), "400");
}

TEST(test_http1_refuses_chunks_that_do_not_add_up)
{
    static const char *const bodies[] = {"x\r\n",          "\r\n",          "-1\r\n",     "+1\r\n",
                                         "3\nabc",         "3\r\nabcd\r\n", " 3\r\n",     "3 \r\n",
                                         "0x3\r\nabc\r\n", "fffffffff\r\n", "3\r\nabc\n0"};

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        char text[200];

        snprintf(text, sizeof(text),
                 "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%s", bodies[i]);
        refuses(gw_str_of(text), "400");
    }
}

TEST(test_http1_bounds_the_head_and_the_body)
{
    char head[3000] = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
    size_t n = strlen(head);

    memset(head + n, 'a', sizeof(head) - n);
    refuses((struct gw_str){head, sizeof(head)}, "431");
    refuses(GW_STR("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n"), "413");
    refuses(GW_STR("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n"
                   "0123456789012345678901234567890123456789012345678901234567890123456789"
                   "0123456789012345678901234567890\r\n"),
            "413");
}

TEST(test_http1_a_drained_connection_ends_after_its_answer)
{
    struct codec_host h;

    codec_host_open(&h, &gw_http1);
    CHECK(codec_host_feed(&h, GW_STR("GET /later HTTP/1.1\r\nHost: h\r\n\r\n"), 4096) == 0);
    h.codec->ops->drain(h.codec);
    CHECK(!h.codec->ops->done(h.codec));
    codec_host_answer_later(&h);
    CHECK(h.codec->ops->done(h.codec));
    CHECK(gw_str_is(
        codec_host_out(&h),
        "HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\nGET /later []"));
    codec_host_close(&h);
}
