#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct timespec now(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t) != 0)
		abort();
	return t;
}

uint64_t clock_mono_ns(void)
{
	struct timespec t = now(CLOCK_MONOTONIC);

	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t us_of(clockid_t id)
{
	struct timespec t = now(id);

	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

uint64_t clock_wall_us(void)
{
	return us_of(CLOCK_REALTIME);
}

uint64_t clock_coarse_us(void)
{
	return us_of(CLOCK_REALTIME_COARSE);
}

/* Days since 1970 to a civil date; years count from March so that the leap day
 * comes last (the era arithmetic of Howard Hinnant's "chrono-compatible
 * low-level date algorithms"). No gmtime: it takes a lock and reads files. */
static void date_of(uint64_t days, unsigned *y, unsigned *m, unsigned *d)
{
	uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint64_t mp = (5 * doy + 2) / 153;

	*d = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	*m = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
	*y = (unsigned)(yoe + era * 400 + (*m <= 2));
}

void clock_iso(uint64_t wall_us, char out[28])
{
	const uint64_t end = 253402300799999999u; /* of the year 9999 */
	uint64_t us = wall_us < end ? wall_us : end, s = us / 1000000;
	unsigned y, m, d;

	date_of(s / 86400, &y, &m, &d);
	(void)snprintf(out, 28, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", y % 10000, m % 100, d % 100,
		(unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60), (unsigned)(s % 60),
		(unsigned)(us % 1000000));
}

void clock_digits(uint64_t wall_us, uint8_t out[16])
{
	char iso[28];
	size_t n = 0;

	clock_iso(wall_us, iso);
	for (const char *p = iso; *p != '.' && n < 14; p++)
		if (*p >= '0' && *p <= '9')
			out[n++] = (uint8_t)*p;
	while (n < 16)
		out[n++] = '0';
}
