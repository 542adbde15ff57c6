/* fips.c: see fips.h. The module is opened here and handed to OpenSSL as one of its own, since
 * a static libcrypto loads no shared objects. Its self-tests run while it is loaded, and on demand, when
 * the sandbox lets nobody open a file: the module, which they read, stays open. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/conf.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/fips_names.h>
#include <openssl/provider.h>

#include "fips.h"

#define PARAMS_MAX 64
#define FUNCTIONS_MAX 256 /* of libcrypto's for a provider */
#define FILE_FD 128       /* the least descriptor for the module's file */
#define SECTION "fips_sect" /* as openssl fipsinstall writes it */

static struct {
	const char *module, *config;
	OSSL_PROVIDER *provider;
	OSSL_provider_init_fn *entry;
	int file;    /* the module's; 0: not yet open */
	bool tested; /* the self-tests of its start were told */
	char version[64];
	char why[512];
} fips;

OSSL_CLEANUP(CONF, NCONF_free)

void crypto_fips(const char *module, const char *config)
{
	fips.module = module;
	fips.config = config;
}

bool crypto_is_fips(void)
{
	return fips.provider != NULL;
}

const OSSL_PROVIDER *fips_provider(void)
{
	return fips.provider;
}

const char *crypto_why(void)
{
	return fips.why;
}

const char *crypto_fips_version(void)
{
	return fips.version;
}

bool crypto_alive(void)
{
	int status = 1;
	OSSL_PARAM p[] = {
		OSSL_PARAM_construct_int(OSSL_PROV_PARAM_STATUS, &status),
		OSSL_PARAM_construct_end(),
	};

	return fips.provider == NULL ||
		(OSSL_PROVIDER_get_params(fips.provider, p) == 1 && status == 1);
}

bool fips_selftest(void)
{
	if (fips.provider == NULL)
		return true;
	if (fips.tested && OSSL_PROVIDER_self_test(fips.provider) != 1)
		return ossl_err(HF_E_SELFTEST) == HF_OK;
	fips.tested = true;
	return crypto_alive();
}

static enum hf_err refuse(const char *what, const char *path, const char *why)
{
	(void)snprintf(fips.why, sizeof(fips.why), "the FIPS provider is not in force, %s = %s: %s", what,
		path, why);
	return ossl_err(HF_E_INTERNAL);
}

/* provider_error is what the module itself said first; libcrypto's words stand around it. */
static const char *provider_error(void)
{
	const char *said = NULL;
	unsigned long e;

	while ((e = ERR_get_error()) != 0)
		if (said == NULL && ERR_GET_LIB(e) == ERR_LIB_PROV)
			said = ERR_reason_error_string(e);
	return said != NULL ? said : "it does not start; is it a FIPS provider?";
}

/* settings_of reads what fipsinstall wrote: the module's checksum, and how strict it is. The
 * values stay in conf. */
static enum hf_err settings_of(CONF *conf, OSSL_PARAM p[PARAMS_MAX])
{
	const STACK_OF(CONF_VALUE) *section;
	size_t n = 0;

	if (conf == NULL || NCONF_load(conf, fips.config, NULL) != 1)
		return refuse("fips-config", fips.config,
			"it cannot be read; openssl fipsinstall writes it");
	section = NCONF_get_section(conf, SECTION);
	if (section == NULL || NCONF_get_string(conf, SECTION, OSSL_PROV_FIPS_PARAM_MODULE_MAC) == NULL)
		return refuse("fips-config", fips.config,
			"no module-mac in a section " SECTION "; openssl fipsinstall writes it");
	p[n++] = OSSL_PARAM_construct_utf8_string(OSSL_PROV_PARAM_CORE_MODULE_FILENAME,
		(char *)(uintptr_t)fips.module, 0);
	for (int i = 0; i < sk_CONF_VALUE_num(section); i++) {
		const CONF_VALUE *v = sk_CONF_VALUE_value(section, i);

		if (n == PARAMS_MAX - 1)
			return refuse("fips-config", fips.config, "too many lines");
		p[n++] = OSSL_PARAM_construct_utf8_string(v->name, v->value, 0);
	}
	p[n] = OSSL_PARAM_construct_end();
	return HF_OK;
}

/* Out of the way of descriptors whose numbers say what they are. */
static enum hf_err keep_open(void)
{
	int fd = open(fips.module, O_RDONLY | O_CLOEXEC);

	fips.file = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, FILE_FD) : -1;
	if (fips.file < 0)
		return refuse("fips-module", fips.module, strerror(errno));
	(void)close(fd);
	return HF_OK;
}

static enum hf_err open_module(void)
{
	void *module = dlopen(fips.module, RTLD_NOW | RTLD_LOCAL);

	if (module == NULL) {
		const char *why = dlerror(); /* begins with the path, as a rule */
		size_t n = strlen(fips.module);

		if (why != NULL && strncmp(why, fips.module, n) == 0 && why[n] == ':')
			why += n + 2;
		return refuse("fips-module", fips.module, why != NULL ? why : "cannot be loaded");
	}
	fips.entry = (OSSL_provider_init_fn *)dlsym(module, "OSSL_provider_init");
	if (fips.entry == NULL)
		return refuse("fips-module", fips.module, "it is no OpenSSL provider");
	return keep_open();
}

static void ask_version(void)
{
	char *version = NULL;
	OSSL_PARAM p[] = {
		OSSL_PARAM_construct_utf8_ptr(OSSL_PROV_PARAM_VERSION, &version, 0),
		OSSL_PARAM_construct_end(),
	};

	if (OSSL_PROVIDER_get_params(fips.provider, p) == 1 && version != NULL)
		(void)snprintf(fips.version, sizeof(fips.version), "%s", version);
}

/* --- the module's file, as its integrity test reads it ------------------------------------ */

struct reading {
	off_t at;
};

static OSSL_CORE_BIO *read_module(const char *path, const char *mode)
{
	(void)mode;
	return strcmp(path, fips.module) == 0 ? hf_alloc(1, sizeof(struct reading)) : NULL;
}

static int read_part(OSSL_CORE_BIO *bio, void *data, size_t n, size_t *ret_n)
{
	struct reading *r = (struct reading *)bio;
	ssize_t got = pread(fips.file, data, n, r->at);

	*ret_n = got > 0 ? (size_t)got : 0;
	r->at += got > 0 ? got : 0;
	return got > 0;
}

static int read_end(OSSL_CORE_BIO *bio)
{
	hf_free(bio);
	return 1;
}

/* init is the module's, with these in the place of libcrypto's. */
static int init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
	void **ret_context)
{
	static OSSL_DISPATCH own[FUNCTIONS_MAX];
	size_t n = 0;

	for (; in[n].function_id != 0; n++) {
		if (n == FUNCTIONS_MAX - 1)
			return 0;
		own[n] = in[n];
		if (in[n].function_id == OSSL_FUNC_BIO_NEW_FILE)
			own[n].function = (void (*)(void))read_module;
		else if (in[n].function_id == OSSL_FUNC_BIO_READ_EX)
			own[n].function = (void (*)(void))read_part;
		else if (in[n].function_id == OSSL_FUNC_BIO_FREE)
			own[n].function = (void (*)(void))read_end;
	}
	own[n] = in[n];
	return fips.entry(handle, own, out, ret_context);
}

/* A provider without its self-tests and checksum would load as well, so what it says of
 * itself is asked too. */
static enum hf_err start(const OSSL_PARAM *settings)
{
	static const char name[] = "fips";
	EVP_MD *md;

	ERR_clear_error();
	OSSL_TRY(OSSL_PROVIDER_add_builtin(NULL, name, init), HF_E_INTERNAL);
	fips.provider = OSSL_PROVIDER_load_ex(NULL, name, (OSSL_PARAM *)(uintptr_t)settings);
	if (fips.provider == NULL)
		return refuse("fips-module", fips.module, provider_error());
	md = EVP_MD_fetch(NULL, "SHA256", "fips=yes");
	EVP_MD_free(md);
	if (md == NULL || !crypto_alive())
		return refuse("fips-module", fips.module, "it is no FIPS provider");
	ask_version();
	ERR_clear_error();
	OSSL_TRY(EVP_set_default_properties(NULL, "?fips=yes"), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err fips_load(void)
{
	CLEANUP(NCONF_free_p) CONF *conf = NULL;
	OSSL_PARAM settings[PARAMS_MAX];

	if (fips.module == NULL || *fips.module == '\0')
		return HF_OK;
	if (fips.config == NULL || *fips.config == '\0')
		return refuse("fips-module", fips.module,
			"fips-config has to name what openssl fipsinstall wrote");
	conf = NCONF_new(NULL);
	TRY(settings_of(conf, settings));
	TRY(open_module());
	return start(settings);
}
