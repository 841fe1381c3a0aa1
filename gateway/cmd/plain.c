#include "cmd/plain.h"

#include <stdio.h>

/* Also those of U+0080 to U+009F: some terminals act on them. */
static size_t control_at(struct gw_str s, size_t i)
{
    const unsigned char c = (unsigned char)s.p[i];

    if (c < ' ' || c == 0x7f)
        return 1;
    return c == 0xc2 && i + 1 < s.len && (unsigned char)s.p[i + 1] < 0xa0 ? 2 : 0;
}

void gw_print_plain(struct gw_str s, int lines)
{
    for (size_t i = 0; i < s.len; i++) {
        const size_t n = lines && (s.p[i] == '\n' || s.p[i] == '\t') ? 0 : control_at(s, i);

        putchar(s.p[i] == '\t' && !lines ? ' ' : n ? '?' : (unsigned char)s.p[i]);
        i += n > 1;
    }
}
