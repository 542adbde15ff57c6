/* io.c: what goes to and comes from the person: text, JSON, PINs, questions. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "runtime.h"

#define PIN_MAX 1024 /* bytes */

/* where_it_says_why names the log of a private instance that did not start, or why there is none. */
static void where_it_says_why(void)
{
	char beside[PATH_MAX];
	struct instance i;
	const char *dir;

	if (client_find(&i) != HF_OK)
		return;
	dir = i.home != NULL && runtime_of(i.home, beside) ? beside : i.home;
	if (dir != NULL && access(dir, W_OK) != 0)
		fprintf(stderr, "holdfast: nothing can be written to %s: %s\n", dir, strerror(errno));
	else if (dir != NULL)
		fprintf(stderr, "holdfast: its log is %s/daemon.log\n", dir);
	instance_done(&i);
}

static struct client *asked;

void cli_asks(struct client *client)
{
	asked = client;
}

static void what_it_takes(void)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct why_req q = { 0 };
	struct why_res r;

	if (asked == NULL || do_why(asked, 0, &q, &r, &a) != HF_OK || r.why.n == 0)
		return;
	fputs("holdfast: ", stderr);
	cli_put(r.why, stderr);
	fputc('\n', stderr);
}

int cli_fail(const char *what, enum hf_err e)
{
	fprintf(stderr, "holdfast: %s: %s (%s)\n", what, err_text(e), err_name(e));
	if (err_blame(e) == HF_BLAME_POLICY)
		what_it_takes();
	if (e == HF_E_NO_DAEMON)
		where_it_says_why();
	return EXIT_FAILED;
}

bool cli_number(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	char *end;

	errno = 0;
	if (*s < '0' || *s > '9')
		return false;
	*ret = strtoull(s, &end, 10);
	return errno == 0 && *end == '\0' && *ret >= min && *ret <= max;
}

json_t *json_hex(struct slice s)
{
	char *hex = hf_alloc(2 * s.n + 1, 1);
	json_t *v;

	if (hex == NULL)
		return NULL;
	hex_encode(s, hex);
	v = json_string(hex);
	hf_free(hex);
	return v;
}

json_t *json_slice(struct slice s)
{
	json_t *v = json_stringn((const char *)s.p, s.n);

	return v != NULL ? v : json_pack("{s:o}", "hex", json_hex(s));
}

/* --- text --------------------------------------------------------------- */

/* not_text: what json_slice made of bytes that are not UTF-8. */
static char *not_text(json_t *v)
{
	const char *hex = json_string_value(json_object_get(v, "hex"));
	size_t n = hex != NULL ? strlen(hex) / 2 : 0, got = 0;
	uint8_t *p = hex != NULL && json_object_size(v) == 1 ? hf_alloc(n + 1, 1) : NULL;
	char *out = NULL;

	if (p != NULL && hex_decode(hex, p, n, &got))
		out = cli_plain((struct slice){ p, got });
	hf_free(p);
	return out;
}

/* cell writes a value as one word or sentence; the caller frees it. */
static char *cell(json_t *v)
{
	char number[32];
	const char *s = number;
	char *bytes = not_text(v);

	if (bytes != NULL)
		return bytes;
	if (v == NULL || json_is_null(v))
		s = "-";
	else if (json_is_string(v))
		return cli_plain((struct slice){ (const uint8_t *)json_string_value(v),
			json_string_length(v) });
	else if (json_is_boolean(v))
		s = json_is_true(v) ? "yes" : "no";
	else if (json_is_integer(v))
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else {
		char *dump = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
		char *copy = NULL;

		if (dump != NULL)
			copy = hf_strdup(dump);
		hf_free(dump);
		return copy;
	}
	return hf_strdup(s);
}

/* columns: characters on a terminal, counting UTF-8 sequences as one. */
static size_t columns(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void print_padded(const char *s, size_t width, bool last)
{
	fputs(s, stdout);
	for (size_t i = columns(s); !last && i < width + 2; i++)
		putchar(' ');
}

static void print_row(json_t *head, json_t *row, const size_t *width)
{
	const char *key;
	json_t *unused;
	size_t i = 0, n = json_object_size(head);

	json_object_foreach(head, key, unused) {
		char *s = row != NULL ? cell(json_object_get(row, key)) : hf_strdup(key);

		print_padded(s != NULL ? s : "?", width[i], i + 1 == n);
		hf_free(s);
		i++;
	}
	putchar('\n');
}

static void print_table(json_t *rows)
{
	json_t *head = json_array_get(rows, 0), *row, *unused;
	size_t width[32] = { 0 }, at, i;
	const char *key;

	if (head == NULL)
		return;
	json_array_foreach(rows, at, row) {
		i = 0;
		json_object_foreach(head, key, unused) {
			char *s = cell(json_object_get(row, key));
			size_t n = s != NULL ? columns(s) : 0;

			if (i < 32 && n > width[i])
				width[i] = n;
			if (i < 32 && columns(key) > width[i])
				width[i] = columns(key);
			hf_free(s);
			i++;
		}
	}
	print_row(head, NULL, width);
	json_array_foreach(rows, at, row)
		print_row(head, row, width);
}

static void print_lines(json_t *object)
{
	const char *key;
	json_t *v;
	size_t width = 0;

	json_object_foreach(object, key, v)
		if (strlen(key) > width)
			width = strlen(key);
	json_object_foreach(object, key, v) {
		char *s = cell(v);

		printf("%-*s  %s\n", (int)width, key, s != NULL ? s : "?");
		hf_free(s);
	}
}

void cli_print(struct cli *c, json_t *v)
{
	if (v == NULL) {
		cli_fail("printing", HF_E_MEMORY);
		return;
	}
	if (c->opt[OPT_JSON]) {
		json_dumpf(v, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
		putchar('\n');
	} else if (json_is_array(v)) {
		print_table(v);
	} else {
		print_lines(v);
	}
	json_decref(v);
}

bool cli_sure(struct cli *c, const char *question)
{
	char line[16] = "";

	if (c->opt[OPT_YES])
		return true;
	if (!isatty(STDIN_FILENO)) {
		cli_usage("%s: standard input is no terminal; say --yes if you mean it", question);
		return false;
	}
	cli_put(slice_str(question), stderr);
	fputs(" [y/N] ", stderr);
	return fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
}

/* --- PINs --------------------------------------------------------------- */

/* read_line reads up to the first newline or the end, byte by byte, so that a
 * pipe's further lines remain for whoever asks next. It has said why not. */
static enum hf_err read_line(int fd, const char *from, struct secret *ret)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	size_t n = 0;

	TRY(secret_alloc(&s, PIN_MAX + 1));
	while (n <= PIN_MAX) {
		ssize_t got = read(fd, s.p + n, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			cli_usage("%s: %s", from, strerror(errno));
			return HF_E_ARGUMENTS;
		}
		if (got == 0 || s.p[n] == '\n')
			break;
		n++;
	}
	if (n > PIN_MAX) {
		cli_usage("%s: the line is longer than %u bytes, and no PIN", from, PIN_MAX);
		return HF_E_PIN_LENGTH;
	}
	if (n > 0 && s.p[n - 1] == '\r')
		n--;
	secret_cut(&s, n);
	*ret = secret_take(&s);
	return HF_OK;
}

static enum hf_err from_terminal(const char *prompt, enum opt by_file, enum opt by_fd, struct secret *ret)
{
	struct termios was, quiet;
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	enum hf_err e;

	if (fd < 0 || tcgetattr(fd, &was) != 0) {
		if (fd >= 0)
			close(fd);
		cli_usage("%s: there is no terminal to ask at; use --%s or --%s", prompt,
			cli_option_name(by_file), cli_option_name(by_fd));
		return HF_E_ARGUMENTS;
	}
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(fd, TCSAFLUSH, &quiet);
	dprintf(fd, "%s: ", prompt);
	e = read_line(fd, "/dev/tty", ret);
	tcsetattr(fd, TCSAFLUSH, &was);
	dprintf(fd, "\n");
	close(fd);
	return e;
}

/* from_file reads the line that is `before` lines down. */
static enum hf_err from_file(const char *path, size_t before, struct secret *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum hf_err e = HF_OK;

	if (fd < 0) {
		cli_usage("%s: %s", path, strerror(errno));
		return HF_E_ARGUMENTS;
	}
	for (size_t i = 0; i <= before && e == HF_OK; i++) {
		secret_done(ret);
		e = read_line(fd, path, ret);
	}
	close(fd);
	return e;
}

bool cli_pin_lines(struct cli *c, size_t n)
{
	const char *path = c->opt[OPT_PIN_FILE];

	for (size_t i = 0; path != NULL && i < n; i++) {
		CLEANUP(secret_done) struct secret s = { 0 };

		if (from_file(path, i, &s) != HF_OK)
			return false;
		if (s.n == 0) {
			cli_usage("%s has no line %zu: one for each of the %zu custodians, with a "
				"passphrase of his own", path, i + 1, n);
			return false;
		}
	}
	return true;
}

enum hf_err cli_pin_of(struct cli *c, size_t i, const char *prompt, bool fresh, struct secret *ret)
{
	return c->opt[OPT_PIN_FILE] != NULL ? from_file(c->opt[OPT_PIN_FILE], i, ret) :
		cli_pin(c, OPT_PIN_FILE, OPT_PIN_FD, prompt, fresh, ret);
}

enum hf_err cli_pin(struct cli *c, enum opt file, enum opt fd, const char *prompt, bool fresh,
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret a = { 0 }, b = { 0 };
	char again[128];
	uint64_t n;

	if (c->opt[file] != NULL)
		return from_file(c->opt[file], 0, ret);
	if (c->opt[fd] != NULL) {
		if (!cli_number(c->opt[fd], 0, 1 << 20, &n)) {
			cli_usage("'%s' is no file descriptor's number", c->opt[fd]);
			return HF_E_ARGUMENTS;
		}
		snprintf(again, sizeof(again), "file descriptor %d", (int)n);
		return read_line((int)n, again, ret);
	}
	TRY(from_terminal(prompt, file, fd, &a));
	if (fresh) {
		snprintf(again, sizeof(again), "%s, once more", prompt);
		TRY(from_terminal(again, file, fd, &b));
		if (!secret_eq(secret_slice(&a), secret_slice(&b))) {
			cli_usage("the two are not the same");
			return HF_E_PIN_INVALID;
		}
	}
	*ret = secret_take(&a);
	return HF_OK;
}
