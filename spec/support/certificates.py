"""Certificates for tests, made with the openssl command: EC keys, so that each takes some ten milliseconds."""
import os
import subprocess


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def authority(folder, name="ca"):
    """NAME.pem and NAME.key of an authority of its own."""
    os.makedirs(folder, exist_ok=True)
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-days", "30", "-subj", f"/CN=test-{name}")


def certificate(folder, name, names="DNS:localhost,IP:127.0.0.1", by="ca"):
    """NAME.pem and NAME.key, signed by an authority of the folder."""
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial", "-copy_extensions", "copy",
            "-days", "30", "-out", f"{name}.pem")


def files(folder):
    """ca, server and client of it, and stranger: an authority that nobody knows, with `guest`."""
    authority(folder)
    authority(folder, "stranger")
    certificate(folder, "server")
    certificate(folder, "client")
    certificate(folder, "guest", by="stranger")
    return str(folder)
