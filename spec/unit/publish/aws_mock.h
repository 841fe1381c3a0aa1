#ifndef SPEC_UNIT_PUBLISH_AWS_MOCK_H
#define SPEC_UNIT_PUBLISH_AWS_MOCK_H

#include "http_server.h"
#include "publish/aws_batch.h"

/* A topic or a queue at the server in this process, which takes all entries of every batch. */
#define AWS_MOCK_ALL(x)   x("0") x("1") x("2") x("3") x("4") x("5") x("6") x("7") x("8") x("9")
#define AWS_MOCK_XML(id)  "<member><Id>" id "</Id><MessageId>m</MessageId></member>"
#define AWS_MOCK_JSON(id) "{\"Id\":\"" id "\",\"MessageId\":\"m\"},"

static inline const char *aws_mock_answer(const char *head, const char *body)
{
    static const char xml[] = "<PublishBatchResponse><PublishBatchResult><Successful>" AWS_MOCK_ALL(
        AWS_MOCK_XML) "</Successful><Failed/></PublishBatchResult></PublishBatchResponse>";
    static const char json[] =
        "{\"Successful\":[" AWS_MOCK_ALL(AWS_MOCK_JSON) "{\"Id\":\"other\"}],\"Failed\":[]}";
    static char answer[2][2048];
    const int is_xml = !strcasestr(head, "x-amz-target");

    (void)body;
    if (http_server_failing)
        return HTTP_SERVER_NO;
    snprintf(answer[is_xml], sizeof(answer[0]), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(is_xml ? xml : json), is_xml ? xml : json);
    return answer[is_xml];
}

static inline void aws_mock_conf(struct gw_aws_publish_conf *c, const char *to)
{
    setenv("AWS_ACCESS_KEY_ID", "AKIDTEST", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    http_server_decide = aws_mock_answer;
    *c = (struct gw_aws_publish_conf){
        .common = {.max_message_bytes = 1 << 18, .batch = {GW_AWS_ENTRIES, 1 << 18, 0}},
        .to = to,
        .region = "us-east-1",
        .endpoint = http_server(),
        .group = "key"};
}

#endif
