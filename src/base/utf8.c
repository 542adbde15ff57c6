#include "utf8.h"

struct lead {
	uint8_t from, to;         /* of the first byte */
	uint8_t more;             /* bytes that follow */
	uint8_t second, second_to; /* the second byte's range */
};

/* Unicode 15, table 3-7. */
static const struct lead leads[] = {
	{ 0x01, 0x7f, 0, 0x00, 0x00 },
	{ 0xc2, 0xdf, 1, 0x80, 0xbf },
	{ 0xe0, 0xe0, 2, 0xa0, 0xbf },
	{ 0xe1, 0xec, 2, 0x80, 0xbf },
	{ 0xed, 0xed, 2, 0x80, 0x9f },
	{ 0xee, 0xef, 2, 0x80, 0xbf },
	{ 0xf0, 0xf0, 3, 0x90, 0xbf },
	{ 0xf1, 0xf3, 3, 0x80, 0xbf },
	{ 0xf4, 0xf4, 3, 0x80, 0x8f },
};

static const struct lead *lead_of(uint8_t c)
{
	for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++)
		if (c >= leads[i].from && c <= leads[i].to)
			return &leads[i];
	return NULL;
}

static bool rest_valid(const struct lead *l, const uint8_t *p)
{
	if (l->more > 0 && (p[0] < l->second || p[0] > l->second_to))
		return false;
	for (unsigned i = 1; i < l->more; i++)
		if ((p[i] & 0xc0) != 0x80)
			return false;
	return true;
}

/* ascii: how many plain characters s begins with. */
static size_t ascii(struct slice s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= 0x01 && s.p[n] <= 0x7f)
		n++;
	return n;
}

bool utf8_valid(struct slice s)
{
	size_t plain = ascii(s); /* most texts are no more than that */
	struct rd r = rd_of(s);
	const uint8_t *p;
	uint8_t c;

	if (!rd_take(&r, plain, &p))
		return false;
	while (rd_u8(&r, &c)) {
		const struct lead *l = lead_of(c);

		if (l == NULL || !rd_take(&r, l->more, &p) || !rest_valid(l, p))
			return false;
	}
	return true;
}

static const struct {
	uint32_t from, to;
} steering[] = {
	{ 0x00, 0x1f }, { 0x7f, 0x9f }, { 0x61c, 0x61c }, { 0x200e, 0x200f }, { 0x2028, 0x202e },
	{ 0x2066, 0x2069 },
};

/* character of a lead byte c and what follows it. */
static uint32_t character(const struct lead *l, uint8_t c, const uint8_t *p)
{
	uint32_t n = l->more == 0 ? c : c & (0x3fu >> l->more);

	for (unsigned i = 0; i < l->more; i++)
		n = n << 6 | (p[i] & 0x3fu);
	return n;
}

bool utf8_printable(struct slice s)
{
	struct rd r = rd_of(s);
	const uint8_t *p;
	uint8_t c;

	if (!utf8_valid(s))
		return false;
	while (rd_u8(&r, &c)) {
		const struct lead *l = lead_of(c);
		uint32_t n;

		if (l == NULL || !rd_take(&r, l->more, &p))
			return false;
		n = character(l, c, p);
		for (size_t i = 0; i < sizeof(steering) / sizeof(steering[0]); i++)
			if (n >= steering[i].from && n <= steering[i].to)
				return false;
	}
	return true;
}
