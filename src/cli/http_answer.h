/* http_answer.h: the answer to a request over HTTP/1.1 (RFC 9112), as it arrives: when it is complete, its
 * status, and the beginning of its body for a person to read. */
#ifndef HF_HTTP_ANSWER_H
#define HF_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 8192u
#define HTTP_LINE_MAX 32u /* of a chunk's size */

enum http_part { HTTP_HEAD, HTTP_LENGTH, HTTP_TO_END, HTTP_CHUNK_SIZE, HTTP_CHUNK, HTTP_CHUNK_END,
	HTTP_TRAILER, HTTP_DONE, HTTP_WRONG };

/* struct http_answer: all zero at first. */
struct http_answer {
	enum http_part part;
	char head[HTTP_HEAD_MAX + 1];
	size_t head_n;
	unsigned status;  /* 200; known once part is no longer HTTP_HEAD */
	uint64_t left;    /* bytes of the body, or of the chunk */
	char line[HTTP_LINE_MAX + 1];
	size_t line_n;
	char said[96];    /* the status line, and what of the body fits and can be printed */
	size_t said_n;
};

/* http_answer_take reads what arrived. True: nothing more belongs to this answer, or it is none
 * (part says which). */
bool http_answer_take(struct http_answer *a, const uint8_t *p, size_t n);
/* http_answer_end: the other side closed. True: the answer is complete. */
bool http_answer_end(struct http_answer *a);
/* http_answer_good: it is a status of success, whatever became of the body. */
bool http_answer_good(const struct http_answer *a);

#endif
