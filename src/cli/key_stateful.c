/* key_stateful.c: see key_stateful.h. */
#include "key_stateful.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pkcs11_numbers.h"

#define NAME_MOST 40

/* RFC 8554, RFC 9858: types of trees by height, one-time types by width. */
static const struct {
	const char *name;
	uint32_t lms, ots;
} hss_hashes[] = {
	{ "sha256", 5, 1 },
	{ "sha256-192", 10, 5 },
	{ "shake256", 15, 9 },
	{ "shake256-192", 20, 13 },
};
static const unsigned hss_heights[] = { 5, 10, 15, 20, 25 }, hss_widths[] = { 1, 2, 4, 8 };

/* RFC 8391 §5.3 and §5.4, SP 800-208 §5: the first set of each hash. */
static const struct {
	const char *hash;
	unsigned bits;
	uint32_t one, many;
} xmss_hashes[] = {
	{ "SHA2", 256, 0x01, 0x01 }, { "SHA2", 512, 0x04, 0x09 }, { "SHAKE", 256, 0x07, 0x11 },
	{ "SHAKE", 512, 0x0a, 0x19 }, { "SHA2", 192, 0x0d, 0x21 }, { "SHAKE256", 256, 0x10, 0x29 },
	{ "SHAKE256", 192, 0x13, 0x31 },
};
static const char *const xmss_heights[] = { "10", "16", "20" };
static const char *const xmssmt_heights[] = { "20/2", "20/4", "40/2", "40/4", "40/8", "60/3", "60/6",
	"60/12" };

#define ITEMS(a) (sizeof(a) / sizeof((a)[0]))

static bool place(const unsigned *v, size_t n, unsigned long x, uint32_t *ret)
{
	for (uint32_t i = 0; i < n; i++)
		if (v[i] == x) {
			*ret = i;
			return true;
		}
	return false;
}

/* number reads a letter and the decimal number behind it. */
static bool number(const char **s, char letter, unsigned long *ret)
{
	char *end;

	if ((**s | 0x20) != letter || (*s)[1] < '1' || (*s)[1] > '9')
		return false;
	*ret = strtoul(*s + 1, &end, 10);
	*s = end;
	return true;
}

static bool hss_level(const char **s, size_t hash, struct stateful *k)
{
	unsigned long height, width;
	uint32_t h, w;

	if (k->levels == STATEFUL_LEVELS || !number(s, 'h', &height) || !number(s, 'w', &width) ||
	    !place(hss_heights, ITEMS(hss_heights), height, &h) ||
	    !place(hss_widths, ITEMS(hss_widths), width, &w))
		return false;
	k->lms[k->levels] = hss_hashes[hash].lms + h;
	k->ots[k->levels++] = hss_hashes[hash].ots + w;
	return true;
}

static bool hss(const char *s, struct stateful *k)
{
	const char *levels = strchr(s, ':');
	size_t hash = 0;

	if (levels != NULL) {
		while (hash < ITEMS(hss_hashes) &&
		       (strncasecmp(s, hss_hashes[hash].name, (size_t)(levels - s)) != 0 ||
			       hss_hashes[hash].name[levels - s] != '\0'))
			hash++;
		if (hash == ITEMS(hss_hashes))
			return false;
		s = levels + 1;
	}
	k->mechanism = CKM_HSS_KEY_PAIR_GEN;
	while (hss_level(&s, hash, k)) {
		if (*s == '\0')
			return true;
		if (*s++ != '/')
			return false;
	}
	return false;
}

static bool xmss(const char *s, bool many, struct stateful *k)
{
	const char *const *heights = many ? xmssmt_heights : xmss_heights;
	size_t n = many ? ITEMS(xmssmt_heights) : ITEMS(xmss_heights);
	char name[NAME_MOST];

	k->mechanism = many ? CKM_XMSSMT_KEY_PAIR_GEN : CKM_XMSS_KEY_PAIR_GEN;
	for (size_t i = 0; i < ITEMS(xmss_hashes); i++)
		for (size_t h = 0; h < n; h++) {
			(void)snprintf(name, sizeof(name), "%s_%s_%u", xmss_hashes[i].hash, heights[h],
				xmss_hashes[i].bits);
			k->set = (many ? xmss_hashes[i].many : xmss_hashes[i].one) + h;
			if (strcasecmp(name, s) == 0)
				return true;
		}
	return false;
}

bool stateful_named(const char *s, struct stateful *ret)
{
	*ret = (struct stateful){ 0 };
	if (strncasecmp(s, "hss:", 4) == 0)
		return hss(s + 4, ret);
	if (strncasecmp(s, "xmss:", 5) == 0)
		return xmss(s + 5, false, ret);
	return strncasecmp(s, "xmssmt:", 7) == 0 && xmss(s + 7, true, ret);
}

const char *stateful_example(unsigned i)
{
	static const char *const examples[] = {
		"hss:H5W8", "hss:H10W4", "hss:H15W4", "hss:H10W4/H10W4", "hss:sha256-192:H10W4",
		"hss:shake256:H10W4", "hss:shake256-192:H10W4", "xmss:SHA2_10_256", "xmss:SHA2_16_256",
		"xmss:SHA2_10_192", "xmss:SHAKE256_10_256", "xmssmt:SHA2_20/2_256", "xmssmt:SHA2_20/4_256",
		"xmssmt:SHA2_40/4_256",
	};

	return i < ITEMS(examples) ? examples[i] : NULL;
}
