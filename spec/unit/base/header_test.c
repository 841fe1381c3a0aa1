#include "base/header.h"
#include "test.h"

#include <string.h>

/* Values are looked at eight bytes at a time: each byte counts, wherever it stands, and none behind
 * the value. */
TEST(test_header_value_is_checked_to_the_last_byte)
{
    for (size_t len = 1; len <= 20; len++)
        for (size_t at = 0; at < len; at++)
            for (int c = 0; c < 256; c++) {
                char *text = malloc(len);

                memset(text, at % 2 ? '\t' : '~', len);
                text[at] = (char)c;
                CHECK(gw_header_value_ok((struct gw_str){text, len}) ==
                      (c == '\t' || (c >= ' ' && c != 0x7f)));
                free(text);
            }
    CHECK(gw_header_value_ok(GW_STR("")));
}

TEST(test_header_names_are_tokens)
{
    static const char tokens[] = "!#$%&'*+-.^_`|~0123456789"
                                 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (int c = 0; c < 256; c++) {
        const char name[] = {'x', (char)c};

        CHECK(gw_header_name_ok((struct gw_str){name, 2}) == (c && strchr(tokens, c)));
        CHECK(!gw_token_byte((char)c) == !(c && strchr(tokens, c)));
    }
    CHECK(!gw_header_name_ok(GW_STR("")));
}
