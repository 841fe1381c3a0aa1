/* Text: UTF-8, hashes, names that are nearly right, globs. */
#include "base/text.h"

#include "base/buf.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>

size_t gw_utf8_step(const char *s, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *u = (const unsigned char *)s;
    uint32_t c;
    size_t n = 0;

    while (n < 8 && ((u[0] << n) & 0x80))
        n++;
    if (n == 0)
        return 1;
    if (n == 1 || n > 4 || n > left)
        return 0;
    c = u[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (u[i] & 0x3fU);
    }
    return c < least[n] || c > 0x10ffff || c >> 11 == 0x1b ? 0 : n;
}

static const uint64_t high_bits = 0x8080808080808080U;

/* Whether all sixteen bytes at p are ASCII. */
static int is_ascii16(const char *p)
{
    uint64_t w[2];

    memcpy(w, p, sizeof(w));
    return !((w[0] | w[1]) & high_bits);
}

/* The same of fewer: most strings end so, and many are no longer. */
static int is_ascii_tail(const char *p, size_t n)
{
    uint64_t w[2];
    uint32_t half[2];
    unsigned char any = 0;

    if (n >= sizeof(w[0])) {
        memcpy(&w[0], p, sizeof(w[0]));
        memcpy(&w[1], p + n - sizeof(w[0]), sizeof(w[0]));
        return !((w[0] | w[1]) & high_bits);
    }
    if (n >= sizeof(half[0])) {
        memcpy(&half[0], p, sizeof(half[0]));
        memcpy(&half[1], p + n - sizeof(half[0]), sizeof(half[0]));
        return !((half[0] | half[1]) & (uint32_t)high_bits);
    }
    for (size_t i = 0; i < n; i++)
        any |= (unsigned char)p[i];
    return any < 0x80;
}

size_t gw_utf8_valid(struct gw_str s)
{
    size_t i = 0;

    while (i < s.len) {
        size_t left = s.len - i, n;

        if (left < 16 && is_ascii_tail(s.p + i, left))
            return s.len;
        if (left >= 16 && is_ascii16(s.p + i)) {
            i += 16;
            continue;
        }
        n = gw_utf8_step(s.p + i, left);
        if (!n)
            return i;
        i += n;
    }
    return s.len;
}

uint32_t gw_utf8_get(const char *s, size_t *step)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t n = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? u[0] : u[0] & (0x7fU >> n);

    for (size_t i = 1; i < n; i++)
        c = c << 6 | (u[i] & 0x3fU);
    *step = n;
    return c;
}

void gw_utf8_put(struct gw_buf *b, uint32_t code)
{
    char out[4];
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(lead[n] | code);
    gw_buf_put(b, out, n);
}

static uint64_t secret;

static void make_secret(void)
{
    if (getrandom(&secret, sizeof(secret), GRND_NONBLOCK) != sizeof(secret))
        secret = (uint64_t)gw_clock_wall_ns();
}

uint64_t gw_hash64_secret(struct gw_str s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint64_t h;

    pthread_once(&once, make_secret);
    h = secret;
    for (size_t i = 0; i < s.len; i++) {
        h = (h ^ (unsigned char)s.p[i]) * 0x9e3779b97f4a7c15U;
        h ^= h >> 29;
    }
    return h;
}

uint64_t gw_hash64(struct gw_str s)
{
    uint64_t h = 0xcbf29ce484222325U;

    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3U;
    return h;
}

/* Optimal string alignment, given up when every way costs more than 2. */
enum { LONGEST = 64, FAR = 3 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

int gw_edit_distance(struct gw_str a, struct gw_str b)
{
    int rows[3][LONGEST + 1], *before = rows[0], *last = rows[1], *now = rows[2];

    if (a.len > LONGEST || b.len > LONGEST)
        return FAR;
    for (size_t j = 0; j <= b.len; j++)
        last[j] = (int)j;
    for (size_t i = 1; i <= a.len; i++) {
        int *old = before;

        now[0] = (int)i;
        for (size_t j = 1; j <= b.len; j++) {
            now[j] =
                least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a.p[i - 1] != b.p[j - 1]));
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        before = last;
        last = now;
        now = old;
    }
    return least(last[b.len], FAR);
}

void gw_nearest_offer(struct gw_nearest *n, struct gw_str candidate)
{
    int d = gw_edit_distance(n->wanted, candidate);

    if (d > 1 && n->wanted.len == candidate.len &&
        !strncasecmp(n->wanted.p, candidate.p, candidate.len))
        d = 1; /* another case is one slip, however many letters have it */
    /* A name of one or two characters is not "nearly" another one of that length. */
    if (d >= FAR || (size_t)d >= n->wanted.len || (n->best.p && d >= n->distance))
        return;
    n->best = candidate;
    n->distance = d;
}

const char *gw_nearest_hint(const struct gw_nearest *n, char *out, size_t size)
{
    out[0] = '\0';
    if (n->best.p)
        snprintf(out, size, " (did you mean \"%.*s\"?)", (int)n->best.len, n->best.p);
    return out;
}

int gw_glob(struct gw_str pattern, struct gw_str text)
{
    size_t p = 0, t = 0, star = (size_t)-1, mark = 0;

    while (t < text.len) {
        if (p < pattern.len && pattern.p[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.len && pattern.p[p] == '?') {
            size_t n = gw_utf8_step(text.p + t, text.len - t);

            p++;
            t += n ? n : 1;
        } else if (p < pattern.len && pattern.p[p] == text.p[t]) {
            p++;
            t++;
        } else if (star != (size_t)-1) {
            p = star + 1;
            t = ++mark;
        } else {
            return 0;
        }
    }
    while (p < pattern.len && pattern.p[p] == '*')
        p++;
    return p == pattern.len;
}

void gw_text_put_line(struct gw_buf *b, struct gw_str s, size_t max)
{
    for (size_t i = 0, n; i < s.len && i < max; i += n) {
        n = gw_utf8_step(s.p + i, s.len - i);
        if (n > 1 || (n && (unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7f))
            gw_buf_put(b, s.p + i, n);
        else
            gw_buf_putc(b, ' ');
        n = n ? n : 1;
    }
}
