/* base64: the vectors of RFC 4648 §10, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base64.h"

static const struct {
	const char *plain, *text, *url;
} vectors[] = {
	{ "", "", "" },
	{ "f", "Zg==", "Zg" },
	{ "fo", "Zm8=", "Zm8" },
	{ "foo", "Zm9v", "Zm9v" },
	{ "foob", "Zm9vYg==", "Zm9vYg" },
	{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
	{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
	{ "\xfb\xff\xbf", "+/+/", "-_-_" },
};

static void encoded(const char *plain, bool url, const char *want)
{
	struct buf b = BUF_MAX(100);

	assert_int_equal(base64_encode(slice_str(plain), url, &b), HF_OK);
	assert_int_equal(b.n, strlen(want));
	assert_memory_equal(b.p == NULL ? (const uint8_t *)"" : b.p, want, b.n);
	buf_done(&b);
}

static void decoded(const char *text, bool url, const char *want)
{
	struct secret s;

	assert_int_equal(base64_decode(slice_str(text), url, &s), HF_OK);
	assert_int_equal(s.n, strlen(want));
	assert_memory_equal(s.p, want, s.n);
	secret_done(&s);
}

static void the_vectors_hold_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		encoded(vectors[i].plain, false, vectors[i].text);
		encoded(vectors[i].plain, true, vectors[i].url);
		decoded(vectors[i].text, false, vectors[i].plain);
		decoded(vectors[i].url, true, vectors[i].plain);
	}
}

static void other_text_is_refused(void **state)
{
	static const struct {
		const char *text;
		bool url;
	} bad[] = { { "Zg", false }, { "Zg=", false }, { "Z", true }, { "Zm9vY", true }, { "Zg==", true },
		{ "Z===", false }, { "====", false }, { "Zm 9", true }, { "+/+/", true }, { "-_-_", false },
		{ "Zm9v\n", false }, { "Zg==Zg==", false } };
	struct secret s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(base64_decode(slice_str(bad[i].text), bad[i].url, &s), HF_E_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_hold_both_ways),
		cmocka_unit_test(other_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
