#include "http_answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void say(struct http_answer *a, char c)
{
	if (a->said_n + 1 == sizeof(a->said) || c < ' ' || c > '~')
		return;
	a->said[a->said_n++] = c;
	a->said[a->said_n] = '\0';
}

/* header gives what follows a field's name, or NULL. */
static const char *header(const struct http_answer *a, const char *name)
{
	const char *line = a->head;
	size_t n = strlen(name);

	while ((line = strchr(line, '\n')) != NULL) {
		line++;
		if (strncasecmp(line, name, n) == 0 && line[n] == ':')
			return line + n + 1 + strspn(line + n + 1, " \t");
	}
	return NULL;
}

/* The order is the standard's (RFC 9112, 6.3). */
static enum http_part body_of(struct http_answer *a)
{
	const char *length = header(a, "content-length"), *coding = header(a, "transfer-encoding");

	if (a->status == 204 || a->status == 304)
		return HTTP_DONE;
	if (coding != NULL && strncasecmp(coding, "chunked", 7) == 0)
		return HTTP_CHUNK_SIZE;
	if (coding != NULL || length == NULL)
		return HTTP_TO_END;
	a->left = strtoull(length, NULL, 10);
	return a->left > 0 ? HTTP_LENGTH : HTTP_DONE;
}

static enum http_part head_end(struct http_answer *a)
{
	static const char version[] = "HTTP/1.";
	const char *p = a->head;

	if (strncmp(p, version, strlen(version)) != 0 || p[8] != ' ')
		return HTTP_WRONG;
	a->status = (unsigned)strtoul(p + 9, NULL, 10);
	for (; *p != '\r' && *p != '\n'; p++)
		say(a, *p);
	say(a, ':');
	say(a, ' ');
	return a->status >= 100 && a->status < 200 ? HTTP_HEAD : body_of(a);
}

/* An answer on the way (status 1xx) is followed by the real one. */
static enum http_part take_head(struct http_answer *a, char c)
{
	enum http_part next;

	if (a->head_n == HTTP_HEAD_MAX || c == '\0')
		return HTTP_WRONG;
	a->head[a->head_n++] = c;
	a->head[a->head_n] = '\0';
	if (c != '\n' || a->head_n < 2 || (a->head[a->head_n - 2] != '\n' &&
	    (a->head_n < 4 || strcmp(a->head + a->head_n - 4, "\r\n\r\n") != 0)))
		return HTTP_HEAD;
	next = head_end(a);
	if (next == HTTP_HEAD)
		a->head_n = a->said_n = 0;
	return next;
}

/* take_line: true at a line's end. */
static bool take_line(struct http_answer *a, char c)
{
	if (c == '\n') {
		a->line[a->line_n] = '\0';
		a->line_n = 0;
		return true;
	}
	if (c != '\r' && a->line_n < HTTP_LINE_MAX)
		a->line[a->line_n++] = c;
	return false;
}

static enum http_part size_end(struct http_answer *a)
{
	char *end;

	a->left = strtoull(a->line, &end, 16);
	if (end == a->line || (*end != '\0' && *end != ';' && *end != ' '))
		return HTTP_WRONG;
	return a->left > 0 ? HTTP_CHUNK : HTTP_TRAILER;
}

static enum http_part take(struct http_answer *a, char c)
{
	switch (a->part) {
	case HTTP_HEAD:
		return take_head(a, c);
	case HTTP_LENGTH:
		say(a, c);
		return --a->left > 0 ? HTTP_LENGTH : HTTP_DONE;
	case HTTP_TO_END:
		say(a, c);
		return HTTP_TO_END;
	case HTTP_CHUNK_SIZE:
		return take_line(a, c) ? size_end(a) : HTTP_CHUNK_SIZE;
	case HTTP_CHUNK:
		say(a, c);
		return --a->left > 0 ? HTTP_CHUNK : HTTP_CHUNK_END;
	case HTTP_CHUNK_END:
		return take_line(a, c) ? HTTP_CHUNK_SIZE : HTTP_CHUNK_END;
	case HTTP_TRAILER:
		return take_line(a, c) && a->line[0] == '\0' ? HTTP_DONE : HTTP_TRAILER;
	case HTTP_DONE:
	case HTTP_WRONG:
		break;
	}
	return a->part;
}

bool http_answer_take(struct http_answer *a, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n && a->part != HTTP_DONE && a->part != HTTP_WRONG; i++)
		a->part = take(a, (char)p[i]);
	return a->part == HTTP_DONE || a->part == HTTP_WRONG;
}

bool http_answer_end(struct http_answer *a)
{
	if (a->part == HTTP_TO_END)
		a->part = HTTP_DONE;
	return a->part == HTTP_DONE;
}

bool http_answer_good(const struct http_answer *a)
{
	return a->status >= 200 && a->status < 300 && a->part != HTTP_HEAD && a->part != HTTP_WRONG;
}
