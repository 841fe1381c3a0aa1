/* What SNS and SQS cost their sender, against a stub that takes every batch at once.
 *   build/release/aws_bench stub                    prints its address, serves until it is killed
 *   build/release/aws_bench ours SERVICE ADDRESS N  our publisher: events made into messages, sent
 *   build/release/aws_bench bare SERVICE ADDRESS N  libcurl alone: the same texts, the same signing
 * Sixteen batches of ten are under way in both. Prints events=, seconds= and cpu= (of this
 * process).
 */
#include "base/buf.h"
#include "base/header.h"
#include "base/json.h"
#include "net/aws_sign.h"
#include "publish/aws_batch.h"
#include "sender.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <http_parser.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BATCH = 10, CLIENTS = 64 };
#define REGION "us-east-1"
static const char topic[] = "arn:aws:sns:us-east-1:123456789012:bench";
static const char queue[] = "https://sqs.us-east-1.amazonaws.com/123456789012/bench";

/* ---- the stub ---- */

#define ALL(x)   x("0") x("1") x("2") x("3") x("4") x("5") x("6") x("7") x("8") x("9")
#define UUID     "00000000-0000-0000-0000-000000000000"
#define XML(id)  "<member><Id>" id "</Id><MessageId>" UUID "</MessageId></member>"
#define JSON(id) "{\"Id\":\"" id "\",\"MessageId\":\"" UUID "\"},"
static const char xml[] =
    "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult>"
    "<Failed/><Successful>" ALL(XML) "</Successful></PublishBatchResult><ResponseMetadata>"
                                     "<RequestId>" UUID "</RequestId></ResponseMetadata>"
                                     "</PublishBatchResponse>";
static const char json[] =
    "{\"Failed\":[],\"Successful\":[" ALL(JSON) "{\"Id\":\"none\",\"MessageId\":\"" UUID "\"}]}";

struct client {
    int fd, asked, speaks_json;
    http_parser parser;
};

static int on_field(http_parser *p, const char *at, size_t len)
{
    struct client *c = p->data;

    c->speaks_json |= len == 12 && !strncasecmp(at, "x-amz-target", len);
    return 0;
}

static int on_complete(http_parser *p)
{
    struct client *c = p->data;

    c->asked = 1;
    return 0;
}

/* 0: the client is gone. */
static int serve(struct client *c)
{
    static const http_parser_settings settings = {.on_header_field = on_field,
                                                  .on_message_complete = on_complete};
    static char in[256 << 10], out[8192];
    const ssize_t n = read(c->fd, in, sizeof(in));
    const char *body = c->speaks_json ? json : xml;
    int len;

    if (n < 0 && errno == EAGAIN)
        return 1;
    if (n <= 0 || http_parser_execute(&c->parser, &settings, in, (size_t)n) != (size_t)n)
        return 0;
    if (!c->asked)
        return 1;
    body = c->speaks_json ? json : xml;
    len = snprintf(out, sizeof(out),
                   "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
                   c->speaks_json ? "application/x-amz-json-1.0" : "text/xml", strlen(body), body);
    c->asked = c->speaks_json = 0;
    return write(c->fd, out, (size_t)len) == len;
}

static int listen_on_loopback(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, CLIENTS) ||
        getsockname(fd, (struct sockaddr *)&a, &len))
        die("stub", "cannot listen");
    printf("127.0.0.1:%d\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

static void accept_one(int epoll, int listener)
{
    struct client *c = calloc(1, sizeof(*c));
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

    if (!c)
        abort();
    c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    c->parser.data = c;
    http_parser_init(&c->parser, HTTP_REQUEST);
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e);
}

static void stub(void)
{
    struct epoll_event events[CLIENTS], e = {.events = EPOLLIN, .data.ptr = NULL};
    const int listener = listen_on_loopback(), epoll = epoll_create1(0);

    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        const int n = epoll_wait(epoll, events, CLIENTS, -1);

        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;

            if (!c) {
                accept_one(epoll, listener);
            } else if (!serve(c)) {
                close(c->fd);
                free(c);
            }
        }
    }
}

/* ---- ours ---- */

static void set_keys(void)
{
    setenv("AWS_ACCESS_KEY_ID", "AKIDBENCH", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "a/secret/of/forty/characters/length/0001", 1);
}

static void ours(int sns, const char *url, long n)
{
    const struct gw_aws_publish_conf conf = {
        .common = {.max_message_bytes = 1 << 18, .batch = {BATCH, 1 << 18, 0}},
        .to = sns ? topic : queue,
        .region = REGION,
        .endpoint = url,
        .group = "key"};

    set_keys();
    send_all(sns ? &gw_publish_sns : &gw_publish_sqs, &conf, BATCH, 1, n);
}

/* ---- libcurl alone ---- */

struct call {
    CURL *easy;
    struct curl_slist *headers;
    struct gw_buf body;
};

static size_t on_answer(char *p, size_t size, size_t n, void *ctx)
{
    (void)p;
    (void)ctx;
    return size * n;
}

static void put_form(struct gw_buf *b, int n)
{
    gw_buf_puts(b, "Action=PublishBatch&Version=2010-03-31&TopicArn=");
    gw_aws_encode(b, gw_str_of(topic));
    for (int i = 1; i <= n; i++) {
        gw_buf_printf(b, "&PublishBatchRequestEntries.member.%d.Id=%d", i, i - 1);
        gw_buf_printf(b, "&PublishBatchRequestEntries.member.%d.Message=", i);
        gw_aws_encode(b, gw_str_of(event_json));
        gw_buf_printf(b, "&PublishBatchRequestEntries.member.%d.Subject=s", i);
    }
}

static void put_json(struct gw_buf *b, int n)
{
    gw_buf_puts(b, "{\"QueueUrl\":");
    gw_json_put_string(b, gw_str_of(queue));
    gw_buf_puts(b, ",\"Entries\":[");
    for (int i = 0; i < n; i++) {
        gw_buf_printf(b, "%s{\"Id\":\"%d\",\"MessageBody\":", i ? "," : "", i);
        gw_json_put_string(b, gw_str_of(event_json));
        gw_buf_putc(b, '}');
    }
    gw_buf_puts(b, "]}");
}

static void add(struct call *c, const char *name, struct gw_str value)
{
    char line[600];

    snprintf(line, sizeof(line), "%s: %.*s", name, (int)value.len, value.p);
    c->headers = curl_slist_append(c->headers, line);
}

static void sign(struct call *c, int sns, const char *host, struct gw_arena *mem)
{
    const char *type =
        sns ? "application/x-www-form-urlencoded; charset=utf-8" : "application/x-amz-json-1.0";
    const struct gw_aws_keys keys = {
        gw_str_of(getenv("AWS_ACCESS_KEY_ID")), gw_str_of(getenv("AWS_SECRET_ACCESS_KEY")), {0}};
    const struct gw_header headers[] = {
        {GW_STR("content-type"), gw_str_of(type)},
        {GW_STR("host"), gw_str_of(host)},
        {GW_STR("x-amz-target"), GW_STR("AmazonSQS.SendMessageBatch")}};
    const struct gw_aws_request request = {.method = GW_STR("POST"),
                                           .path = GW_STR("/"),
                                           .headers = headers,
                                           .n_headers = sns ? 2 : 3,
                                           .body = gw_buf_str(&c->body)};
    const struct gw_aws_scope scope = {GW_STR(REGION), sns ? GW_STR("sns") : GW_STR("sqs"),
                                       time(NULL)};
    struct gw_aws_signature s;

    gw_arena_reset(mem);
    gw_aws_sign(mem, &request, &scope, &keys, &s);
    curl_slist_free_all(c->headers);
    c->headers = NULL;
    add(c, "Content-Type", headers[0].value);
    if (!sns)
        add(c, "X-Amz-Target", headers[2].value);
    add(c, "X-Amz-Date", s.date);
    add(c, "Authorization", s.authorization);
}

static void begin(struct call *c, CURLM *multi, int sns, const char *url, struct gw_arena *mem,
                  int n)
{
    gw_buf_clear(&c->body);
    if (sns)
        put_form(&c->body, n);
    else
        put_json(&c->body, n);
    sign(c, sns, url + 7, mem);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE, (long)c->body.len);
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->body.p);
    curl_multi_add_handle(multi, c->easy);
}

static void open_call(struct call *c, const char *url)
{
    gw_buf_init(&c->body, 1 << 20, NULL);
    c->easy = curl_easy_init();
    curl_easy_setopt(c->easy, CURLOPT_URL, url);
    curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
    curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
}

static void bare(int sns, const char *url, long n)
{
    static struct call calls[SENDS];
    struct gw_arena *mem = gw_arena_new();
    CURLM *multi = curl_multi_init();
    long left = n, ended = 0;
    struct stopwatch from;
    int running;

    set_keys();
    for (int i = 0; i < SENDS; i++)
        open_call(&calls[i], url);
    from = now();
    for (int i = 0; i < SENDS && left > 0; i++, left -= BATCH)
        begin(&calls[i], multi, sns, url, mem, BATCH);
    while (ended < n) {
        CURLMsg *m;
        int more;

        curl_multi_perform(multi, &running);
        while ((m = curl_multi_info_read(multi, &more))) {
            struct call *c;
            long status = 0;

            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
            curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
            if (m->data.result || status != 200)
                die("bare", curl_easy_strerror(m->data.result));
            curl_multi_remove_handle(multi, c->easy);
            ended += BATCH;
            if (left > 0)
                begin(c, multi, sns, url, mem, BATCH);
            left -= BATCH;
        }
        if (ended < n)
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    print(n, from);
    for (int i = 0; i < SENDS; i++) {
        curl_easy_cleanup(calls[i].easy);
        curl_slist_free_all(calls[i].headers);
        gw_buf_free(&calls[i].body);
    }
    curl_multi_cleanup(multi);
    gw_arena_free(mem);
}

int main(int argc, char **argv)
{
    char url[64];

    if (argc == 2 && !strcmp(argv[1], "stub"))
        stub();
    if (argc != 5 || (strcmp(argv[2], "sns") != 0 && strcmp(argv[2], "sqs") != 0))
        die("usage", "aws_bench stub | ours|bare sns|sqs HOST:PORT N");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    snprintf(url, sizeof(url), "http://%s", argv[3]);
    (!strcmp(argv[1], "ours") ? ours : bare)(!strcmp(argv[2], "sns"), url,
                                             strtol(argv[4], NULL, 10) / BATCH * BATCH);
    return 0;
}
