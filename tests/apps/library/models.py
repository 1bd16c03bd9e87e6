from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Country(models.Model):
    name = models.CharField(max_length=60)


class Publisher(models.Model):
    name = models.CharField(max_length=60)
    country = models.ForeignKey(Country, models.PROTECT)


class Author(models.Model):
    name = models.CharField(max_length=60)
    country = models.ForeignKey(Country, models.PROTECT)


class Genre(models.Model):
    name = models.CharField(max_length=60)


class Note(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveBigIntegerField()
    about = GenericForeignKey()
    text = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["content_type", "object_id"])]


class Book(models.Model):
    title = models.CharField(max_length=120)
    year = models.IntegerField(db_index=True)
    blurb = models.TextField()
    author = models.ForeignKey(Author, models.PROTECT)
    publisher = models.ForeignKey(Publisher, models.PROTECT)
    genres = models.ManyToManyField(Genre)
    notes = GenericRelation(Note)


class Branch(models.Model):
    city = models.CharField(max_length=60, db_index=True)


class Shelf(models.Model):
    branch = models.ForeignKey(Branch, models.CASCADE)
    label = models.CharField(max_length=20)


class Copy(models.Model):
    book = models.ForeignKey(Book, models.CASCADE)
    shelf = models.ForeignKey(Shelf, models.CASCADE)
    barcode = models.CharField(max_length=20, unique=True)


class Member(models.Model):
    name = models.CharField(max_length=60)
    branch = models.ForeignKey(Branch, models.PROTECT)


class Loan(models.Model):
    copy = models.ForeignKey(Copy, models.CASCADE)
    member = models.ForeignKey(Member, models.CASCADE)
    handled_by = models.ForeignKey(Member, models.PROTECT, related_name="handled")
    due = models.DateField(db_index=True)
    state = models.CharField(max_length=10, default="out", db_index=True)


class Setting(models.Model):
    key = models.CharField(max_length=40, unique=True)
    value = models.CharField(max_length=40)
