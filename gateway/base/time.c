/* RFC 3339 in both directions, without the C library's zones and locales. */
#include "base/time.h"

#include <stdio.h>

/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z. */
static const int64_t MIN_SEC = -62135596800, MAX_SEC = 253402300799;

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar. */
static int64_t days_of(int64_t y, int m, int d)
{
    int64_t era, doe;
    int doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    doe = y - era * 400;
    return era * 146097 + doe * 365 + doe / 4 - doe / 100 + doy - 719468;
}

static void date_of(int64_t days, int64_t *y, int *m, int *d)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int doy = (int)(doe - (365 * yoe + yoe / 4 - yoe / 100)), mp = (5 * doy + 2) / 153;

    *d = doy - (153 * mp + 2) / 5 + 1;
    *m = mp < 10 ? mp + 3 : mp - 9;
    *y = yoe + era * 400 + (*m <= 2);
}

/* n digits at s->p; -1 if there are not so many. Moves on. */
static int digits(struct gw_str *s, int n)
{
    int v = 0;

    if (s->len < (size_t)n)
        return -1;
    for (int i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return -1;
        v = v * 10 + s->p[i] - '0';
    }
    s->p += n;
    s->len -= (size_t)n;
    return v;
}

static int one_of(struct gw_str *s, char a, char b)
{
    int c;

    if (s->len == 0 || (*s->p != a && *s->p != b))
        return 0;
    c = (unsigned char)*s->p++;
    s->len--;
    return c;
}

static int is(struct gw_str *s, char c)
{
    return one_of(s, c, c);
}

static int days_in(int64_t y, int m)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) ? 29 : days[m - 1];
}

/* -1: no fraction that is one. */
static int fraction(struct gw_str *s)
{
    int nanos = 0, n = 0, digit;

    if (!is(s, '.'))
        return 0;
    for (; (digit = digits(s, 1)) >= 0; n++)
        nanos = n < 9 ? nanos * 10 + digit : nanos;
    if (n == 0)
        return -1;
    for (; n < 9; n++)
        nanos *= 10;
    return nanos;
}

static int zone(struct gw_str *s, int64_t *offset)
{
    int sign, h, m;

    *offset = 0;
    if (one_of(s, 'Z', 'z'))
        return 0;
    sign = one_of(s, '+', '-');
    if (!sign || (h = digits(s, 2)) < 0 || h > 23 || !is(s, ':') || (m = digits(s, 2)) < 0 ||
        m > 59)
        return -1;
    *offset = (sign == '-' ? -60 : 60) * (int64_t)(h * 60 + m);
    return 0;
}

/* Two digits; more than 99: they are none. */
static unsigned pair(const char *p)
{
    const unsigned tens = (unsigned)(unsigned char)*p - '0',
                   ones = (unsigned)(unsigned char)p[1] - '0';

    return tens > 9 || ones > 9 ? 100 : tens * 10 + ones;
}

/* "-07-14T12:34:56.5", and the days since 1970 that it is in the year y. */
static int after_year(struct gw_str *s, int64_t y, int64_t *days, struct gw_time *out)
{
    enum { MONTH = 1, DAY = 4, HOUR = 7, MINUTE = 10, SECOND = 13, LENGTH = 15 };
    const char *p = s->p;
    unsigned mo, d, h, mi, sec;

    if (s->len < LENGTH || *p != '-' || p[DAY - 1] != '-' ||
        (p[HOUR - 1] != 'T' && p[HOUR - 1] != 't') || p[MINUTE - 1] != ':' || p[SECOND - 1] != ':')
        return -1;
    mo = pair(p + MONTH);
    d = pair(p + DAY);
    h = pair(p + HOUR);
    mi = pair(p + MINUTE);
    sec = pair(p + SECOND);
    if (mo < 1 || mo > 12 || d < 1 || d > (unsigned)days_in(y, (int)mo) || h > 23 || mi > 59 ||
        sec > 60)
        return -1;
    s->p += LENGTH;
    s->len -= LENGTH;
    *days = days_of(y, (int)mo, (int)d);
    out->sec = h * INT64_C(3600) + mi * INT64_C(60) + sec;
    out->nanos = fraction(s);
    return out->nanos < 0 ? -1 : 0;
}

int gw_time_parse(struct gw_str s, struct gw_time *out)
{
    int64_t days, offset;
    int y = digits(&s, 4);

    if (y < 1 || after_year(&s, y, &days, out) || zone(&s, &offset) || s.len > 0)
        return -1;
    out->sec += days * 86400 - offset;
    /* an offset may lead out of the years that there are */
    return out->sec < MIN_SEC || out->sec > MAX_SEC ? -1 : 0;
}

static int parse_seconds(struct gw_str s, struct gw_time *out)
{
    size_t n = 0;

    out->sec = 0;
    for (; n < s.len && n < 11 && s.p[n] >= '0' && s.p[n] <= '9'; n++)
        out->sec = out->sec * 10 + s.p[n] - '0';
    s.p += n;
    s.len -= n;
    out->nanos = fraction(&s);
    return n == 0 || out->nanos < 0 || s.len > 0 ? -1 : 0;
}

int gw_time_parse_ns(struct gw_str s, int64_t *out_ns)
{
    const int64_t max = INT64_MAX / 1000000000 - 1;
    struct gw_time t;

    if ((parse_seconds(s, &t) && gw_time_parse(s, &t)) || t.sec > max || t.sec < -max)
        return -1;
    *out_ns = t.sec * 1000000000 + t.nanos;
    return 0;
}

static char *put_digits(char *p, unsigned v, int digits)
{
    for (int i = digits; i-- > 0; v /= 10)
        p[i] = (char)('0' + v % 10);
    return p + digits;
}

static char *put_pair(char *p, unsigned v)
{
    p[0] = (char)('0' + v / 10);
    p[1] = (char)('0' + v % 10);
    return p + 2;
}

/* At least four digits. */
static char *put_year(char *p, uint64_t y)
{
    int digits = 4;

    if (y < 10000)
        return put_pair(put_pair(p, (unsigned)y / 100), (unsigned)y % 100);
    for (uint64_t left = y / 10000; left; left /= 10)
        digits++;
    for (int i = digits; i-- > 0; y /= 10)
        p[i] = (char)('0' + y % 10);
    return p + digits;
}

/* Nothing, or a point and 3, 6 or 9 digits. */
static char *put_fraction(char *p, unsigned nanos)
{
    int digits = 9;

    if (!nanos)
        return p;
    for (; nanos % 1000 == 0; nanos /= 1000)
        digits -= 3;
    *p++ = '.';
    return put_digits(p, nanos, digits);
}

/* The whole of it, of the second `rest` of a day. */
static size_t put_all(int64_t days, unsigned rest, unsigned nanos, int trimmed,
                      char out[GW_TIME_TEXT])
{
    char *p = out;
    int64_t y;
    int m, d;

    date_of(days, &y, &m, &d);
    if (y < 0)
        *p++ = '-';
    p = put_year(p, (uint64_t)(y < 0 ? -y : y));
    *p++ = '-';
    p = put_pair(p, (unsigned)m);
    *p++ = '-';
    p = put_pair(p, (unsigned)d);
    *p++ = 'T';
    p = put_pair(p, rest / 3600);
    *p++ = ':';
    p = put_pair(p, rest / 60 % 60);
    *p++ = ':';
    p = put_pair(p, rest % 60);
    p = put_fraction(p, nanos);
    while (trimmed && nanos && p[-1] == '0')
        p--;
    *p++ = 'Z';
    *p = '\0';
    return (size_t)(p - out);
}

size_t gw_time_format(struct gw_time t, char out[GW_TIME_TEXT])
{
    int64_t days = t.sec / 86400, rest = t.sec % 86400;

    if (rest < 0) {
        rest += 86400;
        days--;
    }
    if (t.nanos < 0 || t.nanos > 999999999 || t.sec < MIN_SEC || t.sec > MAX_SEC)
        return 0;
    return put_all(days, (unsigned)rest, (unsigned)t.nanos, 0, out);
}

/* Go counts from the year -292277022399, and what is before that comes out far behind. */
static const uint64_t GO_DAYS = 292277022400 / 10000 * UINT64_C(3652425) +
                                292277022400 % 10000 * UINT64_C(3652425) / 10000 + 719468;

size_t gw_time_format_go(struct gw_time t, int trimmed, char out[GW_TIME_TEXT])
{
    uint64_t sec = (uint64_t)t.sec + GO_DAYS * 86400;

    if (t.nanos < 0 || t.nanos > 999999999)
        return 0;
    return put_all((int64_t)(sec / 86400) - (int64_t)GO_DAYS, (unsigned)(sec % 86400),
                   (unsigned)t.nanos, trimmed, out);
}

int gw_time_parse_go(struct gw_str s, struct gw_time *out)
{
    const int before = is(&s, '-');
    const char *start = s.p;
    int64_t y = 0, days;

    while (s.p - start < 12 && s.len && *s.p >= '0' && *s.p <= '9')
        y = y * 10 + digits(&s, 1);
    if (s.p - start < 4 || after_year(&s, before ? -y : y, &days, out) || !is(&s, 'Z') || s.len)
        return -1;
    out->sec = (int64_t)((uint64_t)out->sec + (uint64_t)days * 86400);
    return 0;
}
