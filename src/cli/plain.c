/* plain.c: other people's words on somebody's terminal, in a line of a log. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "utf8.h"

#define ESCAPE 8 /* more than an escape takes; it stands for a quarter of its bytes at least */

/* turns_text: line and paragraph separators, and what turns the direction of writing:
 * U+2028 to U+202E, U+2066 to U+2069. */
static bool turns_text(struct slice s)
{
	if (s.n < 3 || s.p[0] != 0xe2)
		return false;
	return (s.p[1] == 0x80 && s.p[2] >= 0xa8 && s.p[2] <= 0xae) ||
		(s.p[1] == 0x81 && s.p[2] >= 0xa6 && s.p[2] <= 0xa9);
}

/* escape writes what s begins with to out and returns how many bytes of s that was. */
static size_t escape(struct slice s, bool text, char out[ESCAPE])
{
	static const char special[] = "\\\n\r\t", names[] = "\\nrt";
	const char *named = s.p[0] != 0 ? strchr(special, s.p[0]) : NULL;

	if (named != NULL) {
		(void)snprintf(out, ESCAPE, "\\%c", names[named - special]);
	} else if (s.p[0] < 0x20 || s.p[0] == 0x7f || (!text && s.p[0] >= 0x80)) {
		(void)snprintf(out, ESCAPE, "\\x%02x", s.p[0]);
	} else if (s.n >= 2 && s.p[0] == 0xc2 && s.p[1] < 0xa0) { /* C1 */
		(void)snprintf(out, ESCAPE, "\\u00%02x", s.p[1]);
		return 2;
	} else if (turns_text(s)) {
		(void)snprintf(out, ESCAPE, "\\u%04x", 0x2000u | (s.p[1] & 0x3fu) << 6 | (s.p[2] & 0x3fu));
		return 3;
	} else {
		out[0] = (char)s.p[0];
		out[1] = '\0';
	}
	return 1;
}

char *cli_plain(struct slice s)
{
	bool text = utf8_valid(s);
	char *out = hf_alloc(s.n + 2, 4);
	size_t at = 0;

	while (out != NULL && s.n > 0) {
		size_t taken = escape(s, text, out + at);

		at += strlen(out + at);
		s = (struct slice){ s.p + taken, s.n - taken };
	}
	return out;
}

void cli_put(struct slice s, FILE *out)
{
	char *plain = cli_plain(s);

	(void)fputs(plain != NULL ? plain : "?", out);
	hf_free(plain);
}
