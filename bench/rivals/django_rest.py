"""Django REST Framework: a serializer, generic views and cursor pagination; gunicorn with two workers of threads."""

# ruff: noqa: E402, RUF012  Django wants its settings before its modules, and lists as attributes

import os
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings

_URL = urlsplit(os.environ["MIGCARD_DATABASE_URL"])

settings.configure(
    DEBUG=False,
    SECRET_KEY="nothing here is signed",  # noqa: S106
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["rest_framework"],
    MIDDLEWARE=[],
    APPEND_SLASH=False,
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": _URL.hostname,
            "PORT": _URL.port,
            "USER": _URL.username,
            "NAME": _URL.path[1:],
            "CONN_MAX_AGE": None,  # each thread keeps its connection
            "OPTIONS": {"prepare_threshold": 1, "server_side_binding": True},
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application
from django.db import models
from django.urls import path
from rest_framework import generics, pagination, serializers, status
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class Card(models.Model):
    """A card and whose it is."""

    number = models.TextField(primary_key=True)
    version = models.IntegerField(default=1)
    state = models.TextField(default="declared")
    citizenship = models.TextField()
    purpose = models.TextField()
    basis = models.TextField()
    zone = models.TextField(default="Europe/Moscow")
    surname = models.TextField()
    given_names = models.TextField()
    birth_date = models.TextField()
    sex = models.TextField()
    document_type = models.TextField()
    document_number = models.TextField()
    issuing_state = models.TextField()
    expires_on = models.DateField(null=True)
    declared_at = models.DateTimeField()
    intended_from = models.DateField(null=True)
    intended_until = models.DateField(null=True)
    intended_checkpoint = models.TextField(null=True)  # noqa: DJ001  the table's
    lapses_at = models.DateTimeField(null=True)
    checkpoint_in = models.TextField(null=True)  # noqa: DJ001
    entered_at = models.DateTimeField(null=True)
    entered_on = models.DateField(null=True)
    last_lawful_day = models.DateField(null=True)
    ends_at = models.DateTimeField(null=True)
    ended_by = models.TextField(null=True)  # noqa: DJ001
    checkpoint_out = models.TextField(null=True)  # noqa: DJ001
    left_at = models.DateTimeField(null=True)
    paper_series = models.TextField(null=True)  # noqa: DJ001
    paper_number = models.TextField(null=True)  # noqa: DJ001
    reference = models.TextField(null=True)  # noqa: DJ001

    class Meta:
        """Django makes no table here."""

        app_label = "rivals"
        db_table = "plain_cards"
        managed = False

    def __str__(self) -> str:
        """Name it."""
        return str(self.number)


class Unfit(APIException):
    """Answers what does not fit as all here do: Django REST Framework's own is 400."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY


class HolderSerializer(serializers.ModelSerializer):
    """Who."""

    class Meta:
        """Of the card's own columns."""

        model = Card
        fields = ["surname", "given_names", "birth_date", "sex", "citizenship"]


class DocumentSerializer(serializers.ModelSerializer):
    """With which document."""

    type = serializers.CharField(source="document_type")
    number = serializers.CharField(source="document_number")

    class Meta:
        """Of the card's own columns."""

        model = Card
        fields = ["type", "number", "issuing_state", "expires_on"]


class CardSerializer(serializers.ModelSerializer):
    """A card as it is told and sent."""

    status = serializers.CharField(source="state", read_only=True)
    purpose = serializers.ChoiceField(
        ["official", "tourism", "business", "education", "employment", "private", "transit"]
    )
    holder = HolderSerializer(source="*")
    document = DocumentSerializer(source="*")
    intended = serializers.DictField(child=serializers.DateField(), write_only=True)

    class Meta:
        """What is sent is little; the rest is told only."""

        model = Card
        fields = [
            *("number", "status", "version", "holder", "document", "citizenship", "purpose", "basis", "intended"),
            *("declared_at", "intended_from", "intended_until", "intended_checkpoint", "lapses_at", "checkpoint_in"),
            *("entered_at", "entered_on", "zone", "last_lawful_day", "ends_at", "ended_by", "checkpoint_out"),
            *("left_at", "paper_series", "paper_number", "reference"),
        ]
        read_only_fields = [name for name in fields if name not in {"purpose", "basis", "holder", "document"}]

    def create(self, validated_data: dict[str, Any]) -> Card:
        """Declare a card."""
        now = datetime.now(UTC)  # noqa: TID251  a rival's own clock
        intended = validated_data.pop("intended")
        return Card.objects.create(
            number=os.urandom(6).hex().upper(),  # noqa: TID251  and dice
            declared_at=now,
            lapses_at=now + timedelta(days=3),
            intended_from=intended.get("from"),
            **validated_data,
        )


class LookupSerializer(serializers.Serializer):
    """As sent."""

    by = serializers.ChoiceField(["document"])
    issuing_state = serializers.CharField()
    number = serializers.CharField()
    birth_date = serializers.CharField()


class NewestFirst(pagination.CursorPagination):
    """Pages as all here have them: items, and the cursor of the next."""

    ordering = ("-declared_at", "-number")
    page_size = 50
    max_page_size = 100
    page_size_query_param = "limit"
    cursor_query_param = "after"

    def get_page_size(self, request: Request) -> int:
        """Refuse what the framework would forgive."""
        asked = request.query_params.get("limit", "50")
        if not asked.isdigit() or not 1 <= int(asked) <= self.max_page_size:
            raise Unfit
        return int(asked)

    def get_paginated_response(self, data: object) -> Response:
        """Give the cursor instead of the whole address."""
        link = self.get_next_link()
        return Response({"items": data, "next": parse_qs(urlsplit(link).query)["after"][0] if link else None})


class Cards(generics.ListCreateAPIView):
    """The list, and declarations."""

    queryset = Card.objects.all()
    serializer_class = CardSerializer
    pagination_class = NewestFirst

    def create(self, request: Request, *args: object, **kwargs: object) -> Response:  # noqa: ARG002  its signature
        """Declare a card."""
        serializer = self.get_serializer(data=request.data)
        if not serializer.is_valid():
            raise Unfit(serializer.errors)
        serializer.save()
        return Response(serializer.data, status=status.HTTP_201_CREATED)


class OneCard(generics.RetrieveAPIView):
    """By number."""

    queryset = Card.objects.all()
    serializer_class = CardSerializer
    lookup_field = "number"


class Lookup(APIView):
    """By document."""

    def post(self, request: Request) -> Response:
        """Find open cards of a document and a birth date."""
        asked = LookupSerializer(data=request.data)
        if not asked.is_valid():
            raise Unfit(asked.errors)
        found = Card.objects.filter(
            issuing_state=asked.validated_data["issuing_state"],
            document_number=asked.validated_data["number"],
            birth_date=asked.validated_data["birth_date"],
            state__in=["declared", "active"],
        )
        return Response({"items": [{"card": CardSerializer(card).data} for card in found], "next": None})


urlpatterns = [
    path("v1/cards/lookup", Lookup.as_view()),
    path("v1/cards/<str:number>", OneCard.as_view()),
    path("v1/cards", Cards.as_view()),
]
application = get_wsgi_application()
