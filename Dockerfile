# The project's images, by target:
#   trainer   the library with Keras and TensorFlow; your image begins FROM it
#   operator  the operator, without TensorFlow
#   example   trainer with one example of deploy/examples (--build-arg EXAMPLE=digits)
# Any base with Python 3.11 to 3.13 and its venv module will do. All versions are those of uv.lock.
# What changes often comes last, so that a change of code installs no TensorFlow again. Wheels are copied, not
# mounted: buildah 1.28 takes a RUN from its cache although what is mounted there has changed.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS locked
ARG UV_VERSION=0.13.8
ENV UV_PYTHON_DOWNLOADS=never
RUN python3 -m venv /uv && /uv/bin/pip install --no-cache-dir uv==${UV_VERSION}
WORKDIR /src
COPY pyproject.toml uv.lock ./
COPY callbacks/pyproject.toml callbacks/
COPY operator/pyproject.toml operator/
RUN export="/uv/bin/uv export --quiet --frozen --no-default-groups --no-emit-workspace --no-header" \
 && ${export} --package perdure --extra tensorflow > trainer.txt \
 && ${export} --package perdure-operator > operator.txt \
 && ${export} --only-group examples > examples.txt

FROM locked AS wheels
COPY callbacks callbacks
COPY operator operator
RUN /uv/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /wheels ./callbacks ./operator

FROM ${BASE_IMAGE} AS trainer-packages
ENV PATH=/opt/perdure/bin:${PATH} PYTHONUNBUFFERED=1
COPY --from=locked /src/trainer.txt /opt/perdure.txt
RUN python3 -m venv /opt/perdure && pip install --no-cache-dir -r /opt/perdure.txt
USER 65532:65532

FROM trainer-packages AS trainer
USER 0
COPY --from=wheels /wheels/perdure-*.whl /wheels/
RUN pip install --no-cache-dir --no-deps /wheels/*.whl
USER 65532:65532

FROM ${BASE_IMAGE} AS operator
ENV PATH=/opt/perdure/bin:${PATH} PYTHONUNBUFFERED=1
COPY --from=locked /src/operator.txt /opt/perdure.txt
RUN python3 -m venv /opt/perdure && pip install --no-cache-dir -r /opt/perdure.txt
COPY --from=wheels /wheels /wheels
RUN pip install --no-cache-dir --no-deps /wheels/*.whl
USER 65532:65532
ENTRYPOINT ["perdure"]
CMD ["operator"]

FROM trainer-packages AS example
USER 0
COPY --from=locked /src/examples.txt /opt/examples.txt
RUN pip install --no-cache-dir -r /opt/examples.txt
COPY --from=wheels /wheels/perdure-*.whl /wheels/
RUN pip install --no-cache-dir --no-deps /wheels/*.whl
ARG EXAMPLE=digits
WORKDIR /example
COPY deploy/examples/${EXAMPLE} ./
RUN chown -R 65532:65532 .
USER 65532:65532
