/* What SQS's JSON says: messages, their attributes, and what is no answer of it. */
#include "base/arena.h"
#include "base/err.h"
#include "event/format.h"
#include "ingest/sqs.h"
#include "log/message.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static int count(const char *answer)
{
    struct gw_str message;
    struct gw_json j;
    int rc = gw_sqs_begin(&j, gw_str_of(answer)), n = 0;

    while (rc == 1 && (rc = gw_sqs_next(&j, &message)) == 1)
        n++;
    return rc < 0 ? -1 : n;
}

TEST(test_sqs_answers_hold_messages_or_none_or_are_none)
{
    CHECK(count("{\"Messages\":[{\"Body\":\"a\"},{\"Body\":\"b\"} , {}]}") == 3);
    CHECK(count("{\"x\":[{}],\"Messages\":[{}]}") == 1);
    CHECK(count("{\"Messages\":[]}") == 0);
    CHECK(count("{\"Messages\":null}") == 0);
    CHECK(count("{}") == 0);
    CHECK(count("") == -1);
    CHECK(count("[]") == -1);
    CHECK(count("{\"Messages\":{}}") == -1);
    CHECK(count("{\"Messages\":[{}") == -1);
    CHECK(count("{\"Messages\":[1]}") == -1);
    CHECK(count("<ErrorResponse/>") == -1);
}

TEST(test_sqs_messages_have_a_body_and_attributes_as_headers)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_unread in;
    struct gw_err err;

    CHECK(
        !gw_sqs_read(mem,
                     GW_STR("{\"MessageId\":\"m\",\"Body\":\"a\\u00e9\\n\",\"MessageAttributes\":{"
                            "\"ce-id\":{\"DataType\":\"String\",\"StringValue\":\"1\"},"
                            "\"bin\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AQI=\"},"
                            "\"odd\":{\"DataType\":\"Number\"}},\"ReceiptHandle\":\"r\"}"),
                     &in, &err));
    CHECK(gw_str_is(in.body, "a\xc3\xa9\n") && !in.subject.p);
    CHECK(in.n_headers == 2);
    CHECK(gw_str_is(in.headers[0].name, "ce-id") && gw_str_is(in.headers[0].value, "1"));
    CHECK(gw_str_is(in.headers[1].name, "bin") && gw_str_is(in.headers[1].value, "\x01\x02"));
    CHECK(!gw_sqs_read(mem, GW_STR("{\"Body\":\"\",\"MessageAttributes\":null}"), &in, &err));
    CHECK(in.body.p && !in.body.len && !in.n_headers);
    CHECK(gw_sqs_read(mem, GW_STR("{\"Body\":1}"), &in, &err) == -1);
    CHECK(gw_sqs_read(mem, GW_STR("{}"), &in, &err) == -1);
    CHECK(!strcmp(err.msg, "it has no Body"));
    CHECK(gw_sqs_read(mem, GW_STR("{\"Body\":\"a\",\"MessageAttributes\":[]}"), &in, &err) == -1);
    CHECK(strstr(err.msg, "MessageAttributes"));
    gw_arena_free(mem);
}

TEST(test_sqs_more_attributes_than_a_message_may_have_are_left_out)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_unread in;
    struct gw_err err;
    struct gw_buf text;

    gw_buf_init(&text, 1 << 16, mem);
    gw_buf_puts(&text, "{\"Body\":\"b\",\"MessageAttributes\":{");
    for (int i = 0; i < 100; i++)
        gw_buf_printf(&text, "%s\"a%d\":{\"StringValue\":\"v\"}", i ? "," : "", i);
    gw_buf_puts(&text, "}}");
    CHECK(!gw_sqs_read(mem, gw_buf_str(&text), &in, &err) && in.n_headers == 32);
    gw_arena_free(mem);
}

TEST(test_sqs_entries_name_the_receipts_of_messages)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_sqs_message two = {.text = GW_STR("{\"ReceiptHandle\":\"r\\\"2\"}")};
    struct gw_sqs_message one = {.text = GW_STR("{\"ReceiptHandle\":\"r1\"}"), .next = &two};
    struct gw_buf out;

    gw_buf_init(&out, 1 << 16, mem);
    CHECK(gw_sqs_put_entries(mem, "http://q", &one, 10, ",\"V\":60", &out) == 2);
    CHECK(gw_str_is(gw_buf_str(&out), "{\"QueueUrl\":\"http://q\",\"Entries\":["
                                      "{\"Id\":\"0\",\"ReceiptHandle\":\"r1\",\"V\":60},"
                                      "{\"Id\":\"1\",\"ReceiptHandle\":\"r\\\"2\",\"V\":60}]}"));
    CHECK(gw_sqs_put_entries(mem, "http://q", &one, 1, "", &out) == 1);
    gw_arena_free(mem);
}
