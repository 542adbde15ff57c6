#include "tls_stream.h"

#include <limits.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "secret.h"

struct tls_stream {
	SSL_CTX *ctx;
	SSL *ssl;
};

static const char *why_not(const SSL *ssl)
{
	long verified = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	if (verified != X509_V_OK)
		return X509_verify_cert_error_string(verified);
	return reason != NULL ? reason : "the connection ended";
}

static bool load(SSL_CTX *ctx, const struct tls_files *f)
{
	bool ok = f->ca != NULL ? SSL_CTX_load_verify_locations(ctx, f->ca, NULL) == 1 :
		SSL_CTX_set_default_verify_paths(ctx) == 1;

	if (ok && f->cert != NULL)
		ok = SSL_CTX_use_certificate_chain_file(ctx, f->cert) == 1 &&
			SSL_CTX_use_PrivateKey_file(ctx, f->cert, SSL_FILETYPE_PEM) == 1;
	return ok;
}

static bool is_address(const char *host)
{
	ASN1_OCTET_STRING *ip = a2i_IPADDRESS(host);
	bool yes = ip != NULL;

	ASN1_OCTET_STRING_free(ip);
	return yes;
}

static bool expect_host(SSL *ssl, const char *host)
{
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set1_host(ssl, host) == 1 && SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
		TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)host) == 1;
}

static bool shake(struct tls_stream *s, int fd, const char *host, const struct tls_files *f)
{
	s->ctx = SSL_CTX_new(TLS_client_method());
	if (s->ctx == NULL || SSL_CTX_set_min_proto_version(s->ctx, TLS1_2_VERSION) != 1 ||
	    !load(s->ctx, f))
		return false;
	SSL_CTX_set_verify(s->ctx, SSL_VERIFY_PEER, NULL);
	s->ssl = SSL_new(s->ctx);
	return s->ssl != NULL && SSL_set_fd(s->ssl, fd) == 1 && expect_host(s->ssl, host) &&
		SSL_connect(s->ssl) == 1;
}

enum hf_err tls_stream_open(int fd, const char *host, const struct tls_files *f,
	struct tls_stream **ret, const char **ret_why)
{
	struct tls_stream *s = hf_alloc(1, sizeof(*s));

	if (s == NULL)
		return HF_E_MEMORY;
	ERR_clear_error();
	if (shake(s, fd, host, f)) {
		*ret = s;
		return HF_OK;
	}
	*ret_why = why_not(s->ssl);
	tls_stream_close(s);
	return HF_E_CONNECTION;
}

enum hf_err tls_stream_write(struct tls_stream *s, struct slice bytes)
{
	size_t done;

	ERR_clear_error();
	return bytes.n == 0 || SSL_write_ex(s->ssl, bytes.p, bytes.n, &done) == 1 ? HF_OK : HF_E_CONNECTION;
}

enum hf_err tls_stream_read(struct tls_stream *s, uint8_t *p, size_t max, size_t *ret_n)
{
	size_t n = 0;

	ERR_clear_error();
	if (SSL_read_ex(s->ssl, p, max, &n) != 1 && SSL_get_error(s->ssl, 0) != SSL_ERROR_ZERO_RETURN)
		return HF_E_CONNECTION;
	*ret_n = n;
	return HF_OK;
}

enum hf_err tls_stream_end(struct tls_stream *s)
{
	ERR_clear_error();
	return SSL_shutdown(s->ssl) >= 0 ? HF_OK : HF_E_CONNECTION;
}

void tls_stream_close(struct tls_stream *s)
{
	if (s == NULL)
		return;
	SSL_free(s->ssl);
	SSL_CTX_free(s->ctx);
	hf_free(s);
}
