#include "net/aws_answer.h"

#include "test.h"
#include "test_arena.h"

static int text_is(const char *xml, const char *name, const char *text)
{
    return gw_str_is(gw_aws_xml_text(test_arena(), gw_str_of(xml), name), text);
}

/* With a prefix or without, beside names that begin with it or hold it. */
TEST(test_aws_answer_finds_tags_by_their_names)
{
    CHECK(text_is("<R><Code>a</Code></R>", "Code", "a"));
    CHECK(text_is("<n:R xmlns:n=\"u\"><n:Code>a</n:Code></n:R>", "Code", "a"));
    CHECK(text_is("<R><Codes>x</Codes><NoCode>y</NoCode><Code >a</Code></R>", "Code", "a"));
    CHECK(text_is("<R at=\"n:Code\">x</R><n:Code at=\"m:R\">a</n:Code>", "Code", "a"));
    CHECK(text_is("<?x Code?><!-- no --><Code/><Code>b</Code>", "Code", ""));
    CHECK(!gw_aws_xml_text(test_arena(), GW_STR("<R><Code>a</R>"), "Code").p);
    CHECK(!gw_aws_xml_text(test_arena(), GW_STR("<R><Code"), "Code").p);
}
