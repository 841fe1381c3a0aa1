/* A queue of SQS as a source against a server in this process: what it is asked when messages have
 * to wait, when deleting fails in part, and how much one answer may hold. */
#include "event/format.h"
#include "http_server.h"
#include "ingest/sqs.h"
#include "world.h"

enum { BODY = 40000, HANDLES = 400, CALLS = 64 };

/* What the server gives in turn: so many messages of one size each time; then it says nothing, as
 * in a long poll. Under its lock, as all that came. */
static struct {
    int n, size;
} gives[8];
static int n_given, n_receives;
static char extended[CALLS][HANDLES], deleted[CALLS][HANDLES]; /* "r1,r2," of each call */
static int n_extended, n_deleted;
static const char *delete_answers[2]; /* of the first call, and of all others */
static const char *delete_status, *extend_status;

static const char *http(const char *status, const char *body)
{
    static char *kept;

    free(kept);
    CHECK(asprintf(&kept, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body),
                   body) > 0);
    return kept;
}

#define QUOTES "\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\""

/* Events with a filler, or (size 0) a MiB of quotes, which are no event. */
static void put_message(struct gw_buf *out, int size)
{
    gw_buf_printf(out, "{\"ReceiptHandle\":\"r%d\",\"Body\":\"", n_given++);
    if (size)
        gw_buf_printf(out,
                      "{\\\"specversion\\\":\\\"1.0\\\",\\\"id\\\":\\\"%d\\\",\\\"source\\\":\\\"/"
                      "s\\\",\\\"type\\\":\\\"t\\\",\\\"data\\\":\\\"%0*d\\\"}",
                      n_given, size, 0);
    for (int i = 0; !size && i < 1 << 15; i++) /* 32 of them, escaped */
        gw_buf_puts(out, QUOTES QUOTES QUOTES QUOTES);
    gw_buf_puts(out, "\"}");
}

static const char *give(void)
{
    const char *answer;
    struct gw_buf b;

    if (n_receives == 8 || !gives[n_receives].n)
        return NULL;
    gw_buf_init(&b, 64 << 20, NULL);
    gw_buf_puts(&b, "{\"Messages\":[");
    for (int i = 0; i < gives[n_receives].n; i++) {
        gw_buf_puts(&b, i ? "," : "");
        put_message(&b, gives[n_receives].size);
    }
    n_receives++;
    gw_buf_puts(&b, "]}");
    gw_buf_putc(&b, '\0');
    answer = http("200 OK", b.p);
    gw_buf_free(&b);
    return answer;
}

static void note(char into[CALLS][HANDLES], int *n, const char *body)
{
    size_t len = 0;

    if (*n == CALLS) /* so many that the test sees it */
        return;
    for (const char *at = body; (at = strstr(at, "\"ReceiptHandle\":\""));) {
        at += strlen("\"ReceiptHandle\":\"");
        len += (size_t)snprintf(into[*n] + len, HANDLES - len, "%.*s,", (int)strcspn(at, "\""), at);
    }
    ++*n;
}

static const char *serve(const char *head, const char *body)
{
    if (strstr(head, "AmazonSQS.ReceiveMessage"))
        return give();
    if (strstr(head, "AmazonSQS.DeleteMessageBatch")) {
        note(deleted, &n_deleted, body);
        return http(delete_status, delete_answers[n_deleted > 1]);
    }
    CHECK(strstr(head, "AmazonSQS.ChangeMessageVisibilityBatch"));
    CHECK(strstr(body, ",\"VisibilityTimeout\":60}"));
    note(extended, &n_extended, body);
    return http(extend_status, "{}");
}

static int seen(const int *n)
{
    int now;

    pthread_mutex_lock(&http_server_lock);
    now = *n;
    pthread_mutex_unlock(&http_server_lock);
    return now;
}

/* ---- life ---- */

struct rig {
    struct world w;
    struct gw_ingest_sqs conf;
    struct gw_sqs_in *in;
    int is_stopped;
};

static void rig_open(struct rig *r)
{
    struct gw_err err;

    memset(r, 0, sizeof(*r));
    setenv("AWS_ACCESS_KEY_ID", "A", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "S", 1);
    delete_answers[0] = delete_answers[1] = "{}";
    delete_status = extend_status = "200 OK";
    http_server_decide = serve;
    world_open(&r->w, &gw_grpc_handler);
    r->conf = (struct gw_ingest_sqs){
        .queue_url = "http://q/1/q", .region = "us-east-1", .endpoint = http_server()};
    r->in = (struct gw_sqs_in *)gw_source_sqs.open(&r->conf, &r->w.front, &err);
}

static void on_stopped(void *ctx)
{
    ((struct rig *)ctx)->is_stopped = 1;
}

static void turn(struct rig *r)
{
    gw_loop_turn(r->w.front.loop, 1);
}

static void rig_close(struct rig *r)
{
    world_hold(0);
    gw_source_sqs.stop(&r->in->base, on_stopped, r);
    gw_source_sqs.hurry(&r->in->base);
    while (!r->is_stopped)
        turn(r);
    gw_source_sqs.close(&r->in->base);
    world_close(&r->w);
}

static size_t count(const struct gw_sqs_queue *q)
{
    size_t n = 0;

    for (const struct gw_sqs_message *m = q->first; m; m = m->next)
        n++;
    return n;
}

/* ---- the tests ---- */

TEST(test_sqs_messages_that_wait_are_kept_ours_all_of_them_every_20_s)
{
    struct rig r;

    gives[0].n = gives[1].n = gives[2].n = 10;
    gives[0].size = 10;
    gives[1].size = gives[2].size = BODY;
    gives[3].n = gives[4].n = 10;
    gives[3].size = gives[4].size = BODY;
    rig_open(&r);
    world_hold(1);
    while (r.in->under_way < 50)
        turn(&r);
    CHECK(count(&r.in->held) == 33 && !seen(&n_extended)); /* a quarter of a MiB is on its way */
    for (int round = 1; round <= 2; round++) {
        char all[4 * HANDLES];

        r.in->extend_timer.fn(&r.in->extend_timer);
        while (seen(&n_extended) < 4 * round || r.in->extend.fetch.running)
            turn(&r);
        CHECK(seen(&n_extended) == 4 * round);
        snprintf(all, sizeof(all), "%s%s%s%s", extended[4 * round - 4], extended[4 * round - 3],
                 extended[4 * round - 2], extended[4 * round - 1]);
        for (const struct gw_sqs_message *m = r.in->held.first; m; m = m->next) {
            const char *handle = strstr(m->text.p, "\"r") + 1;
            char want[8];

            snprintf(want, sizeof(want), "%.*s,", (int)strcspn(handle, "\""), handle);
            CHECK(strstr(all, want));
        }
    }
    world_hold(0);
    while (r.in->held.first || r.in->appending)
        turn(&r);
    rig_close(&r);
}

TEST(test_sqs_an_entry_that_is_not_deleted_goes_again_alone_and_not_for_ever)
{
    struct rig r;

    gives[0].n = 4;
    gives[0].size = 10;
    rig_open(&r);
    delete_answers[0] = "{\"Successful\":[{\"Id\":\"0\"}],\"Failed\":["
                        "{\"Id\":\"1\",\"SenderFault\":false,\"Code\":\"InternalError\"},"
                        "{\"Id\":\"2\",\"SenderFault\":true,\"Code\":\"ReceiptHandleIsInvalid\"},"
                        "{\"Id\":\"3\",\"Code\":\"ServiceUnavailable\"}]}";
    delete_answers[1] = "{\"Failed\":[{\"Id\":\"0\",\"SenderFault\":false,\"Code\":\"X\"}]}";
    while (r.in->under_way || !seen(&n_deleted)) {
        if (r.in->pausing)
            r.in->again.fn(&r.in->again);
        turn(&r);
    }
    CHECK(!strcmp(deleted[0], "r0,r1,r2,r3,") && !strcmp(deleted[1], "r1,r3,"));
    CHECK(n_deleted == GW_SQS_DELETES && !strcmp(deleted[2], "r1,") &&
          !strcmp(deleted[GW_SQS_DELETES - 1], "r1,"));
    rig_close(&r);
}

TEST(test_sqs_messages_that_cannot_be_deleted_are_kept_ours_and_if_not_it_is_told)
{
    struct rig r;

    gives[0].n = 3;
    gives[0].size = 10;
    rig_open(&r);
    delete_status = "403 Forbidden";
    while (count(&r.in->kept) < 3 || !r.in->stuck)
        turn(&r);
    CHECK(!r.in->quiet_extend.next_ms);
    extend_status = "403 Forbidden";
    r.in->extend_timer.fn(&r.in->extend_timer);
    while (!seen(&n_extended) || r.in->extend.fetch.running)
        turn(&r);
    CHECK(!strcmp(extended[0], "r0,r1,r2,") && seen(&n_extended) == 1);
    CHECK(r.in->quiet_extend.next_ms);
    rig_close(&r);
}

TEST(test_sqs_ten_messages_of_the_largest_size_are_one_answer)
{
    struct rig r;

    gives[0].n = 10;
    rig_open(&r);
    while (world_rejected(&r.w, GW_SQS, GW_R_INVALID) < 10) {
        CHECK(!r.in->pausing); /* an answer that was not understood */
        turn(&r);
    }
    rig_close(&r);
}
