#include "base/secret.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"
#include "test.h"

#include <string.h>

static const char secret[] = "pa/ss+w%rd\xc3\xa9~?>";

static int shown(const char *text)
{
    return gw_secret_shown(gw_str_of(text), gw_str_of(secret));
}

TEST(test_secret_is_found_in_whatever_coding_it_is_said)
{
    CHECK(shown("you sent pa/ss+w%rd\xc3\xa9~?>."));
    CHECK(shown("secret=pa%2Fss%2bw%25rd%C3%A9~%3f%3e&x"));
    CHECK(!shown("you sent pa/ss+w%rd\xc3\xa9~? >"));
    CHECK(!shown("you sent pa/ss+w%rd."));
    CHECK(!shown("pa%2Fss%2bw%25rd%C3%A8~%3f%3e"));
    CHECK(!shown(""));
}

/* The text around it moves its bits, and shares a digit with it at either end. */
TEST(test_secret_is_found_within_base64_wherever_it_stands)
{
    struct gw_arena *mem = gw_arena_new();

    for (size_t before = 0; before < 7; before++)
        for (size_t behind = 0; behind < 4; behind++)
            for (int url = 0; url < 2; url++) {
                struct gw_buf plain, coded;

                gw_buf_init(&plain, 100, mem);
                gw_buf_init(&coded, 200, mem);
                gw_buf_put(&plain, "id:me::", before);
                gw_buf_puts(&plain, secret);
                gw_buf_put(&plain, "\xff\xff\xff", behind);
                gw_buf_puts(&coded, "Basic ");
                gw_base64_put(&coded, gw_buf_str(&plain));
                for (size_t i = 0; url && i < coded.len; i++)
                    coded.p[i] = (char)(coded.p[i] == '+'   ? '-'
                                        : coded.p[i] == '/' ? '_'
                                                            : coded.p[i]);
                CHECK(gw_secret_shown(gw_buf_str(&coded), gw_str_of(secret)));
                plain.p[before + 5] ^= 1;
                gw_buf_clear(&coded);
                gw_base64_put(&coded, gw_buf_str(&plain));
                CHECK(!gw_secret_shown(gw_buf_str(&coded), gw_str_of(secret)));
            }
    gw_arena_free(mem);
}

/* RFC 6749, 2.3.1: what a client logs in with is in a form's coding before that. */
TEST(test_secret_is_found_in_a_basic_login_of_oauth)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_buf coded;

    gw_buf_init(&coded, 200, mem);
    gw_base64_put(&coded, GW_STR("id:pa%2Fss%2Bw%25rd%C3%A9~%3F%3E"));
    CHECK(gw_secret_shown(gw_buf_str(&coded), gw_str_of(secret)));
    gw_buf_clear(&coded);
    gw_base64_put(&coded, GW_STR("id:pa%2Fss%2Bw%25rd%C3%A8~%3F%3E"));
    CHECK(!gw_secret_shown(gw_buf_str(&coded), gw_str_of(secret)));
    gw_arena_free(mem);
}

TEST(test_secret_whose_beginning_ends_a_text_that_was_cut_is_found)
{
    CHECK(shown("the request had pa/ss+w%"));
    CHECK(shown("the request had pa%2Fss%2Bw%25"));
    CHECK(!shown("the request had pa/ss+w"));
    CHECK(shown("Basic cGEvc3MrdyVyZM")); /* 15 of its digits */
    CHECK(!shown("Basic cGEvc3M"));
}

TEST(test_secret_that_may_be_any_word_is_not_looked_for)
{
    CHECK(!gw_secret_shown(GW_STR("a token, token"), GW_STR("token")));
    CHECK(gw_secret_shown(GW_STR("a secret word"), GW_STR("secret")));
    CHECK(!gw_secret_shown(GW_STR("a secret word"), GW_STR("")));
}
