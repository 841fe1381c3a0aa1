/* Which bytes a header of HTTP may have. */
#include "base/header.h"

#include <stdint.h>

static const unsigned char is_token[256] = {
    ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['!'] = 1, ['#'] = 1, ['$'] = 1,
    ['%'] = 1,         ['&'] = 1,         ['\''] = 1,        ['*'] = 1, ['+'] = 1, ['-'] = 1,
    ['.'] = 1,         ['^'] = 1,         ['_'] = 1,         ['`'] = 1, ['|'] = 1, ['~'] = 1};

int gw_token_byte(char c)
{
    return is_token[(unsigned char)c];
}

int gw_host_byte(char c)
{
    static const unsigned char in[256] = {
        ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['!'] = 1, ['$'] = 1,
        ['%'] = 1,         ['&'] = 1,         ['\''] = 1,        ['('] = 1, [')'] = 1,
        ['*'] = 1,         ['+'] = 1,         [','] = 1,         ['-'] = 1, ['.'] = 1,
        [';'] = 1,         ['='] = 1,         ['_'] = 1,         ['~'] = 1};

    return in[(unsigned char)c];
}

int gw_header_name_ok(struct gw_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_token[(unsigned char)name.p[i]])
            return 0;
    return name.len > 0;
}

static int are_ok(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f)
            return 0;
    return 1;
}

/* Eight bytes without controls or DEL; a no may be for a tab, or be wrong. */
static int is_plain8(const char *p)
{
    const uint64_t each = 0x0101010101010101;
    uint64_t x, del;

    memcpy(&x, p, sizeof(x));
    del = x ^ 0x7f * each;
    return !((((x - 0x20 * each) & ~x) | ((del - each) & ~del)) & 0x80 * each);
}

int gw_header_value_ok(struct gw_str value)
{
    const char *p = value.p, *end = p + value.len;

    for (; end - p >= 8; p += 8)
        if (!is_plain8(p) && !are_ok(p, 8))
            return 0;
    return are_ok(p, (size_t)(end - p));
}
