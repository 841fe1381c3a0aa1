/* What AWS's services, an agent or an instance may answer: any bytes as a batch's result of SNS and
 * SQS, as an error, as keys. */
#include "base/arena.h"
#include "base/text.h"
#include "net/aws_answer.h"
#include "net/fetch.h"
#include "publish/aws_batch.h"

#include <stdlib.h>
#include <string.h>

static void within(struct gw_str part, struct gw_str whole)
{
    if (part.len && (part.p < whole.p || part.p + part.len > whole.p + whole.len))
        abort();
}

static void show(struct gw_arena *mem, struct gw_str s)
{
    struct gw_fetch f = {.status = 500};
    struct gw_aws_error e;
    struct gw_buf text;

    f.answer = (struct gw_buf){.p = (char *)s.p, .len = s.len};
    gw_aws_error_read(mem, &f, &e);
    gw_buf_init(&text, GW_AWS_WHY, mem);
    gw_aws_error_text(&e, &f, "SNS", &text);
    if (text.failed || gw_utf8_valid(gw_str_of(text.p)) != strlen(text.p))
        abort();
    for (const char *p = text.p; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            abort();
}

static void read_entries(struct gw_arena *mem, struct gw_str s, const struct gw_aws_service *of)
{
    struct gw_aws_entry entries[GW_AWS_ENTRIES] = {{0}};
    const size_t n = s.len % GW_AWS_ENTRIES;

    of->read(mem, s, entries, n);
    for (size_t i = 0; i < GW_AWS_ENTRIES; i++)
        if ((entries[i].delivered && !entries[i].told) || (i >= n && entries[i].told))
            abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const char *const names[] = {"AccessKeyId", "Code", "Message", "member"};
    const struct gw_str s = {(const char *)data, size};
    struct gw_arena *mem = gw_arena_new();
    struct gw_str left = s, inner;

    while (gw_aws_xml_next(&left, "member", &inner)) {
        within(inner, s);
        within(left, s);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        gw_aws_xml_text(mem, s, names[i]);
        gw_aws_json_text(mem, s, names[i]);
    }
    read_entries(mem, s, &gw_aws_sns);
    read_entries(mem, s, &gw_aws_sqs);
    show(mem, s);
    gw_arena_free(mem);
    return 0;
}
