/* Which bytes a header of HTTP may have. */
#include "base/header.h"

int gw_token_byte(char c)
{
    static const unsigned char in[256] = {
        ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['!'] = 1, ['#'] = 1, ['$'] = 1,
        ['%'] = 1,         ['&'] = 1,         ['\''] = 1,        ['*'] = 1, ['+'] = 1, ['-'] = 1,
        ['.'] = 1,         ['^'] = 1,         ['_'] = 1,         ['`'] = 1, ['|'] = 1, ['~'] = 1};

    return in[(unsigned char)c];
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
        if (!gw_token_byte(name.p[i]))
            return 0;
    return name.len > 0;
}

int gw_header_value_ok(struct gw_str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (((unsigned char)value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f)
            return 0;
    return 1;
}
