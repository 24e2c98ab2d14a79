"""The certificate, looked at before anything starts."""

import ssl

from qwen3_asr_realtime.settings import Settings, SettingsError


def check_certificate(settings: Settings) -> None:
    """See that TLS can be spoken, if it is to be.

    Raises:
        SettingsError: Certificate and key cannot be read, or do not belong together.
    """
    if not settings.tls_cert_file:
        return
    try:
        # A key with a passphrase would be asked for on the terminal, by a server that has none.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file, password="")
    except OSError as error:
        reason = error.strerror if error.strerror and not isinstance(error, ssl.SSLError) else error.args[-1]
        raise SettingsError(
            f"TLS_CERT_FILE={settings.tls_cert_file} with TLS_KEY_FILE={settings.tls_key_file} cannot be used: {reason}"
        ) from error
