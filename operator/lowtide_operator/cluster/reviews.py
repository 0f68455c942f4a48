"""Reviews: what the API server says about the one who asks for the metrics page."""

from lowtide_operator.cluster.requests import Body, Requests


class Reviews(Requests):
    """Questions about tokens and rights; asking changes nothing, so a standby may ask too."""

    async def may_read_metrics(self, token: str) -> bool | None:
        """Return whether a token's owner may `get` the path /metrics; `None` where it has none.

        Raises:
            ClusterError: the API server did not answer, or the operator may not ask it.
        """
        review = {"spec": {"token": token}}
        answer = await self._review("authentication.k8s.io", "tokenreviews", review)
        if not answer.get("authenticated"):
            return None
        user = answer.get("user") or {}
        fields = {"user": "username", "uid": "uid", "groups": "groups", "extra": "extra"}
        who = {field: user[name] for field, name in fields.items() if name in user}
        wanted = {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}}
        access = {"spec": {**who, **wanted}}
        answer = await self._review("authorization.k8s.io", "subjectaccessreviews", access)
        return bool(answer.get("allowed"))

    async def _review(self, group: str, plural: str, review: Body) -> Body:
        """Return the API server's verdict; asking changes nothing, so a standby may ask too."""
        answer = await self._call(
            self._objects.create_cluster_custom_object(
                group, "v1", plural, review, _request_timeout=self._timeout
            )
        )
        return dict(answer.get("status") or {})
